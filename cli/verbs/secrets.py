"""`wherry secrets reencrypt`: what lies in the store is sealed anew with the newest key.

An update that changes nothing makes the API server write a value anew if another key than the first of
its encryption configuration sealed it. So this is safe to stop and to repeat, works against any API
server, and writes nothing that is as it should be.

Source: "rotate a decryption key" of upstream's documentation (get, then replace, all secrets).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated

from cli.discovery import Resource
from cli.errors import CliError
from cli.http import Tree
from cli.options import Option
from cli.session import Session
from wherry.api.errors import ApiError

HELP = "Care for what is encrypted in the store."
PAGE_OBJECTS = 200
ATTEMPTS_MAX = 5  # against others who change the same object
SAID_EVERY = 100  # objects between two lines of progress


def reencrypt(
    session: Session,
    resources: Annotated[str, Option("--resources", help="Which kinds, with commas between.")] = "secrets",
) -> None:  # fmt: skip
    """Write every object anew whose stored form an old key (or none) has sealed."""
    names = [name for name in resources.split(",") if name]
    if not names:
        raise CliError("name the resources that the encryption configuration names")
    for resource in [session.catalogue.resource(name) for name in names]:
        seen = written = 0
        for tree in _objects(session, resource):
            seen += 1
            written += _rewritten(session, resource, tree)
            if seen % SAID_EVERY == 0:
                sys.stderr.write(f"{resource.plural}: {seen} seen, {written} written anew\n")
        print(f"{resource.plural}: {seen} seen, {written} written anew")


def _objects(session: Session, resource: Resource) -> Iterator[Tree]:
    """All objects of all namespaces, a page at a time."""
    kind = {"apiVersion": resource.api_version, "kind": resource.kind}
    params = {"limit": str(PAGE_OBJECTS)}
    while True:
        page = session.api.get(resource.path(""), params=params)
        for item in page.get("items", ()):
            yield {**item, **kind}
        following = page.get("metadata", {}).get("continue")
        if not following:
            return
        params = {"limit": str(PAGE_OBJECTS), "continue": following}


def _rewritten(session: Session, resource: Resource, tree: Tree) -> bool:
    """Put an object back as it is; whether the server wrote it. Gone is as good as done."""
    metadata = tree["metadata"]
    path = resource.path(metadata.get("namespace", ""), metadata["name"])
    for _ in range(ATTEMPTS_MAX):
        try:
            before = tree["metadata"]["resourceVersion"]
            answer = session.api.request("PUT", path, body=tree)
            return bool(answer["metadata"]["resourceVersion"] != before)
        except ApiError as error:
            if error.reason == "NotFound":
                return False
            if error.reason != "Conflict":
                raise
        try:
            tree = session.api.get(path)
        except ApiError as error:
            if error.reason == "NotFound":
                return False
            raise
    raise CliError(f"others keep changing {resource.plural} {path}; try again")


VERBS = {"reencrypt": reencrypt}
