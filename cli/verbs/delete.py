"""`wherry delete`: objects by name, selector or file; returns when they are gone.

Source: k8s.io/kubectl/pkg/cmd/delete, pkg/cmd/wait.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Annotated

from cli.discovery import Resource
from cli.errors import CliError, api_words
from cli.http import Tree
from cli.manifests import read
from cli.options import Argument, Exit, Option, duration_seconds
from cli.session import Session
from cli.targets import targets
from wherry.api.errors import ApiError

CASCADES = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan"}
WATCH_SECONDS = 30  # one watch; then the object is read again


@dataclass(frozen=True)
class Doomed:
    """An object to be deleted."""

    resource: Resource
    namespace: str
    name: str

    @property
    def path(self) -> str:
        return self.resource.path(self.namespace, self.name)


def delete(
    session: Session,
    words: Annotated[list[str] | None, Argument("KIND NAME... | KIND/NAME...")] = None,
    filename: Annotated[list[str] | None, Option("-f", "--filename", help="What these files hold.")] = None,
    recursive: Annotated[bool, Option("-R", "--recursive")] = False,
    selector: Annotated[str, Option("-l", "--selector", help="By labels.")] = "",
    field_selector: Annotated[str, Option("--field-selector", help="By fields.")] = "",
    all_: Annotated[bool, Option("--all", help="All of the kind in the namespace.")] = False,
    all_namespaces: Annotated[bool, Option("-A", "--all-namespaces")] = False,
    grace_period: Annotated[int, Option("--grace-period", help="Seconds to end in; -1: its own.")] = -1,
    force: Annotated[bool, Option("--force", help="With --grace-period=0: don't wait for the node.")] = False,
    now: Annotated[bool, Option("--now", help="One second to end in.")] = False,
    cascade: Annotated[str, Option("--cascade", help="background, foreground or orphan.")] = "background",
    wait: Annotated[bool, Option("--wait/--no-wait", help="Return when the objects are gone.")] = True,
    timeout: Annotated[str, Option("--timeout", help="How long to wait, as 60s; 0: for ever.")] = "0",
    ignore_not_found: Annotated[bool, Option("--ignore-not-found")] = False,
    output: Annotated[str, Option("-o", "--output", help="name.")] = "",
) -> None:  # fmt: skip
    """Delete objects."""
    if cascade not in CASCADES:
        raise CliError(f'invalid cascade value ({cascade}). Must be "background", "foreground", or "orphan"')  # fmt: skip
    grace = 1 if now else grace_period
    if force and grace < 0:
        grace = 0
    if grace == 0 and not force:
        grace, wait = 1, True  # as kubectl: only --force may leave containers running
    if force:
        sys.stderr.write(
            "Warning: Immediate deletion does not wait for confirmation that the running resource "
            "has been terminated. The resource may continue to run on the cluster indefinitely.\n"
        )
    options: Tree = {"propagationPolicy": CASCADES[cascade]}
    if grace >= 0:
        options["gracePeriodSeconds"] = grace
    choice = {"labelSelector": selector, "fieldSelector": field_selector}
    if filename:
        manifests = read(session, filename, recursive=recursive)
        doomed = [Doomed(one.resource, one.namespace, one.name) for one in manifests]
    else:
        doomed = _chosen(session, words or [], choice, everything=all_, everywhere=all_namespaces)
    if not doomed and not ignore_not_found:
        print("No resources found")
    failed = _delete(
        session, doomed, options, output, ignore_not_found, wait, duration_seconds(timeout)
    )
    if failed:
        raise Exit(1)


def _chosen(
    session: Session,
    words: list[str],
    choice: dict[str, str],
    *,
    everything: bool,
    everywhere: bool,
) -> list[Doomed]:
    """The objects that the words (and selectors) name now."""
    params = {key: value for key, value in choice.items() if value}
    found = []
    for target in targets(words, session.catalogue):
        resource = target.resource
        namespace = session.namespace if resource.namespaced and not everywhere else ""
        if target.names:
            if params or everything:
                raise CliError("name cannot be provided when a selector is specified")
            found += [Doomed(resource, namespace, name) for name in target.names]
            continue
        if not params and not everything:
            raise CliError("resource(s) were provided, but no name was specified")
        for item in session.api.get(resource.path(namespace), params)["items"]:
            meta = item["metadata"]
            found.append(Doomed(resource, meta.get("namespace", ""), meta["name"]))
    return found


def _delete(
    session: Session,
    doomed: list[Doomed],
    options: Tree,
    output: str,
    ignore_not_found: bool,
    wait: bool,
    timeout: float,
) -> bool:
    """Delete each, then wait for all. True when one could not be deleted."""
    failed = False
    going: list[tuple[Doomed, str]] = []
    for one in doomed:
        try:
            answer = session.api.request("DELETE", one.path, body=options)
        except ApiError as error:
            if not (ignore_not_found and error.reason == "NotFound"):
                sys.stderr.write(api_words(error) + "\n")
                failed = True
            continue
        _say_deleted(one, output, forced=options.get("gracePeriodSeconds") == 0)
        uid = (answer.get("metadata") or {}).get("uid") or (answer.get("details") or {}).get("uid")
        going.append((one, uid or ""))
    deadline = time.monotonic() + timeout if timeout else None
    for one, uid in going if wait else ():
        _await_gone(session, one, uid, deadline)
    return failed


def _say_deleted(one: Doomed, output: str, *, forced: bool) -> None:
    name = one.resource.qualified_singular
    if output == "name":
        print(f"{name}/{one.name}")
        return
    where = f" from {one.namespace} namespace" if one.namespace else ""
    print(f'{name} "{one.name}" {"force deleted" if forced else "deleted"}{where}')
    sys.stdout.flush()


def _await_gone(session: Session, one: Doomed, uid: str, deadline: float | None) -> None:
    """Until the object is gone, or another took its name."""
    while True:
        try:
            current = session.api.get(one.path)
        except ApiError as error:
            if error.reason == "NotFound":
                return
            raise
        if uid and current["metadata"].get("uid") != uid:
            return
        left = WATCH_SECONDS if deadline is None else deadline - time.monotonic()
        if left <= 0:
            raise CliError(f"timed out waiting for the condition on {one.resource.plural}/{one.name}")  # fmt: skip
        params = {
            "fieldSelector": f"metadata.name={one.name}",
            "resourceVersion": current["metadata"]["resourceVersion"],
            "timeoutSeconds": str(max(1, int(min(left, WATCH_SECONDS)))),
        }
        try:
            for change, _ in session.api.events(one.resource.path(one.namespace), params):
                if change == "DELETED":
                    return
        except ApiError as error:
            if error.reason not in ("Expired", "Gone"):
                raise
