"""`wherry rollout`: watch, undo, restart a Deployment's rollout.

Source: k8s.io/kubectl/pkg/cmd/rollout.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Any

from cli.discovery import Resource
from cli.errors import CliError
from cli.http import JSON, MERGE_PATCH, STRATEGIC_PATCH, Tree
from cli.options import Argument, Option, duration_seconds
from cli.revisions import CHANGE_CAUSE, owned, progress, rollback_patch
from cli.session import Session
from cli.tables import align
from cli.targets import one_object
from wherry.api.errors import ApiError

HELP = "Watch, undo or restart a Deployment's rollout."
JSON_PATCH = "application/json-patch+json"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
WATCH_SECONDS = 30

Words = Annotated[list[str], Argument("deployment/NAME")]


def status(
    session: Session,
    words: Words,
    watch: Annotated[bool, Option("--watch/--no-watch", "-w")] = True,
    timeout: Annotated[str, Option("--timeout", help="As 60s or 5m; 0: no limit.")] = "0",
    revision: Annotated[int, Option("--revision", help="Fail if another is running.")] = 0,
) -> None:
    """Say how the rollout goes until it is done."""
    resource, name = _deployment(session, words)
    limit = duration_seconds(timeout)
    deadline = time.monotonic() + limit if limit else None
    said = ""
    while True:
        tree = session.api.get(resource.path(session.namespace, name))
        for current in _states(session, resource, tree, watch, deadline):
            text, done = progress(current, revision)
            if text != said:
                print(text, flush=True)
                said = text
            if done or not watch:
                return
        if deadline is not None and time.monotonic() >= deadline:
            raise CliError("timed out waiting for the condition")


def _states(
    session: Session, resource: Resource, tree: Tree, watch: bool, deadline: float | None
) -> Any:
    """The object as read, then as it changes for a while."""
    yield tree
    if not watch:
        return
    left = WATCH_SECONDS if deadline is None else min(WATCH_SECONDS, deadline - time.monotonic())
    meta = tree["metadata"]
    params = {
        "fieldSelector": f"metadata.name={meta['name']}",
        "resourceVersion": meta["resourceVersion"],
        "timeoutSeconds": str(max(1, int(left))),
    }
    try:
        for change, current in session.api.events(resource.path(session.namespace), params):
            if change == "DELETED":
                raise CliError("object has been deleted")
            yield current
    except ApiError as error:
        if error.reason not in ("Expired", "Gone"):
            raise


def history(
    session: Session,
    words: Words,
    revision: Annotated[int, Option("--revision", help="Show this one's template.")] = 0,
) -> None:
    """List a Deployment's revisions."""
    resource, name = _deployment(session, words)
    revisions = _revisions(session, session.api.get(resource.path(session.namespace, name)))
    if revision:
        if revision not in revisions:
            raise CliError(f"unable to find the specified revision {revision}")
        from cli.output import to_yaml

        print(f"{resource.qualified_singular}/{name} with revision #{revision}")
        print(to_yaml({"Pod Template": revisions[revision]["spec"]["template"]}))
        return
    rows = [["REVISION", "CHANGE-CAUSE"]]
    for number, one in revisions.items():
        causes = one["metadata"].get("annotations") or {}
        rows.append([str(number), causes.get(CHANGE_CAUSE) or "<none>"])
    print(f"{resource.qualified_singular}/{name} ")
    print("\n".join(align(rows)))


def undo(
    session: Session,
    words: Words,
    to_revision: Annotated[int, Option("--to-revision", help="0: the one before.")] = 0,
) -> None:
    """Bring an earlier revision's pod template back."""
    resource, name = _deployment(session, words)
    path = resource.path(session.namespace, name)
    tree = session.api.get(path)
    if tree["spec"].get("paused"):
        raise CliError("you cannot rollback a paused deployment; resume it first with 'wherry rollout resume'")  # fmt: skip
    operations = rollback_patch(tree, _revisions(session, tree), to_revision)
    label = f"{resource.qualified_singular}/{name}"
    if operations is None:
        print(f"{label} skipped rollback (current template already matches revision {to_revision})")
        return
    session.api.request("PATCH", path, body=operations, content_type=JSON_PATCH)
    print(f"{label} rolled back")


def restart(session: Session, words: Words) -> None:
    """Replace all pods, a few at a time."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    annotations = {"annotations": {RESTARTED_AT: now}}
    patch = {"spec": {"template": {"metadata": annotations}}}
    print(f"{_patched(session, words, patch, STRATEGIC_PATCH)} restarted")


def pause(session: Session, words: Words) -> None:
    """Let changes wait."""
    print(f"{_patched(session, words, {'spec': {'paused': True}}, MERGE_PATCH)} paused")


def resume(session: Session, words: Words) -> None:
    """Roll out what has waited."""
    print(f"{_patched(session, words, {'spec': {'paused': None}}, MERGE_PATCH)} resumed")


def _patched(session: Session, words: list[str], patch: Tree, content_type: str) -> str:
    resource, name = _deployment(session, words)
    path = resource.path(session.namespace, name)
    session.api.request("PATCH", path, body=patch, content_type=content_type)
    return f"{resource.qualified_singular}/{name}"


def _deployment(session: Session, words: list[str]) -> tuple[Resource, str]:
    resource, name = one_object(words, session.catalogue)
    if resource.kind != "Deployment":
        raise CliError(f"no rollout is known for {resource.qualified}; it is for deployments")
    return resource, name


def _revisions(session: Session, deployment: Tree) -> dict[int, Tree]:
    from cli.pods import selector_text

    sets = session.catalogue.resource("replicasets.apps")
    params = {"labelSelector": selector_text(deployment["spec"]["selector"])}
    listed = session.api.get(sets.path(session.namespace), params, JSON)
    return owned(listed["items"], deployment)


VERBS = {
    "status": status, "history": history, "undo": undo, "restart": restart, "pause": pause,
    "resume": resume,
}  # fmt: skip
