"""Files of YAML or JSON as objects: one file, a folder, stdin; several documents; Lists.

Source: k8s.io/cli-runtime/pkg/resource (visitor.go).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cli.discovery import Resource
from cli.errors import CliError
from cli.session import Session

Tree = dict[str, Any]

EXTENSIONS = (".json", ".yaml", ".yml")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _PlainLoader(_Loader):  # type: ignore[misc,valid-type]  # libyaml's when it is there
    """YAML as JSON has it: a date is a text."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _PlainLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class Manifest:
    """One object of a file. `source` is the file's name, as messages say it."""

    tree: Tree
    source: str
    resource: Resource
    namespace: str

    @property
    def name(self) -> str:
        return str(self.tree.get("metadata", {}).get("name", ""))

    @property
    def label(self) -> str:
        """`deployment.apps/web`."""
        return f"{self.resource.qualified_singular}/{self.name}"

    @property
    def path(self) -> str:
        return self.resource.path(self.namespace, self.name)


def parse(text: str, source: str) -> list[Tree]:
    """The objects of a text, Lists taken apart; CliError tells what is wrong and where."""
    try:
        documents = [one for one in yaml.load_all(text, _PlainLoader) if one is not None]
    except yaml.YAMLError as error:
        raise CliError(f"error parsing {source}: {_yaml_words(error)}") from error
    found: list[Any] = []
    for document in documents:
        if not isinstance(document, dict):
            raise CliError(f"error parsing {source}: an object is expected, not {document!r:.60}")
        is_list = str(document.get("kind", "")).endswith("List") and "items" in document
        found += document["items"] if is_list else [document]
    for tree in found:
        for key in ("apiVersion", "kind"):
            if not isinstance(tree, dict) or not tree.get(key):
                raise CliError(f"error validating {source}: {key} not set")
    return found


def _yaml_words(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"yaml: line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return f"yaml: {error}"


def files(names: Sequence[str], *, recursive: bool) -> Iterator[tuple[str, str]]:
    """(source, text) of each file named; `-` is stdin; a folder stands for its manifests."""
    for name in names:
        if name == "-":
            yield "STDIN", sys.stdin.read()
            continue
        if name.startswith(("http://", "https://")):
            raise CliError(f"{name}: fetching manifests is not supported; download it first")
        path = Path(name)
        if not path.exists():
            raise CliError(f'the path "{name}" does not exist')
        if path.is_file():
            yield name, path.read_text()
            continue
        inside = sorted(path.rglob("*") if recursive else path.iterdir())
        chosen = [one for one in inside if one.is_file() and one.suffix in EXTENSIONS]
        if not chosen:
            raise CliError(f"error reading [{name}]: recognized file extensions are {EXTENSIONS}")
        for one in chosen:
            yield str(one), one.read_text()


def read(session: Session, names: Sequence[str], *, recursive: bool) -> list[Manifest]:
    """All objects of the files, each with its resource and namespace."""
    if not names:
        raise CliError("must specify --filename, for example -f app.yaml")
    found = []
    for source, text in files(names, recursive=recursive):
        found += [_manifest(session, tree, source) for tree in parse(text, source)]
    if not found:
        raise CliError("no objects passed to apply")
    return found


def _manifest(session: Session, tree: Tree, source: str) -> Manifest:
    api_version, kind = tree["apiVersion"], tree["kind"]
    resource = session.catalogue.kind(api_version, kind)
    if resource is None:
        message = f'no matches for kind "{kind}" in version "{api_version}"'
        raise CliError(f'resource mapping not found for "{source}": {message}')
    meta = tree.get("metadata") or {}
    own = str(meta.get("namespace") or "")
    if not resource.namespaced:
        return Manifest(tree, source, resource, "")
    if own and session.has_namespace and own != session.namespace:
        raise CliError(
            f'the namespace from the provided object "{own}" does not match the namespace '
            f"\"{session.namespace}\". You must pass '--namespace={own}' to perform this operation."
        )
    namespace = own or session.namespace
    tree = {**tree, "metadata": {**meta, "namespace": namespace}}
    return Manifest(tree, source, resource, namespace)
