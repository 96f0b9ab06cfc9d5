"""`wherry apply`: make the cluster hold what the files say.

Source: k8s.io/kubectl/pkg/cmd/apply.
"""

from __future__ import annotations

import sys
from typing import Annotated

from cli import output as out
from cli.errors import api_words
from cli.http import MERGE_PATCH, STRATEGIC_PATCH, Tree
from cli.manifests import Manifest, read
from cli.merge import LAST_APPLIED, changes_nothing, last_applied, three_way, with_last_applied
from cli.options import Exit, Option
from cli.session import Session
from wherry.api.errors import ApiError

FIELD_MANAGER = "kubectl-client-side-apply"
# Someone else may write between our read and our patch.
ATTEMPTS_MAX = 5


def apply(
    session: Session,
    filename: Annotated[list[str], Option("-f", "--filename", help="File, folder or -.")],
    recursive: Annotated[bool, Option("-R", "--recursive", help="Folders in folders.")] = False,
    dry_run: Annotated[str, Option("--dry-run", help="none, client or server.")] = "none",
    output: Annotated[str, Option("-o", "--output", help="yaml, json or name.")] = "",
) -> None:
    """Create or update objects from files."""
    out.check_format(output, ("json", "name", "yaml"))
    failed = False
    for manifest in read(session, filename, recursive=recursive):
        try:
            what, tree = _apply(session, manifest, dry_run)
        except _Refused as refused:
            sys.stderr.write(f"{refused}\n")
            failed = True
            continue
        if output:
            print(out.text_of(out.without_managed_fields(tree), output, manifest.resource.qualified_singular))  # fmt: skip
        else:
            note = "" if dry_run == "none" else f" ({dry_run} dry run)"
            print(f"{manifest.label} {what}{note}")
    if failed:
        raise Exit(1)


class _Refused(Exception):
    """The server did not want it; the text says what was tried."""

    def __init__(self, error: ApiError, doing: str, manifest: Manifest) -> None:
        super().__init__(api_words(error, f'error when {doing} "{manifest.source}"'))


def _params(dry_run: str) -> dict[str, str]:
    params = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
    return {**params, "dryRun": "All"} if dry_run == "server" else params


def _apply(session: Session, manifest: Manifest, dry_run: str) -> tuple[str, Tree]:
    """What was done, and the object as it is now."""
    wanted = with_last_applied(manifest.tree)
    for attempt in range(ATTEMPTS_MAX):
        doing = "retrieving current configuration of"
        try:
            current = _current(session, manifest)
            if current is None:
                doing = "creating"
                return "created", _create(session, manifest, wanted, dry_run)
            doing = "patching"
            return _patch(session, manifest, wanted, current, dry_run)
        except ApiError as error:
            if error.reason != "Conflict" or attempt == ATTEMPTS_MAX - 1:
                raise _Refused(error, doing, manifest) from error
    raise AssertionError("unreachable")


def _current(session: Session, manifest: Manifest) -> Tree | None:
    try:
        return session.api.get(manifest.path)
    except ApiError as error:
        if error.reason == "NotFound":
            return None
        raise


def _create(session: Session, manifest: Manifest, wanted: Tree, dry_run: str) -> Tree:
    if dry_run == "client":
        return wanted
    path = manifest.resource.path(manifest.namespace)
    return session.api.request("POST", path, params=_params(dry_run), body=wanted)


def _patch(
    session: Session, manifest: Manifest, wanted: Tree, current: Tree, dry_run: str
) -> tuple[str, Tree]:
    original = last_applied(current)
    if original is None:
        _warn_unannotated(manifest)
    patch, strategic = three_way(original or {}, wanted, current)
    if not patch or (not strategic and changes_nothing(current, patch)):
        return "unchanged", current
    if dry_run == "client":
        return "configured", wanted
    answer = session.api.request(
        "PATCH",
        manifest.path,
        params=_params(dry_run),
        body=patch,
        content_type=STRATEGIC_PATCH if strategic else MERGE_PATCH,
    )
    versions = [tree.get("metadata", {}).get("resourceVersion") for tree in (current, answer)]
    same = versions[0] == versions[1] and dry_run == "none"
    return ("unchanged" if same else "configured"), answer


def _warn_unannotated(manifest: Manifest) -> None:
    sys.stderr.write(
        f"Warning: resource {manifest.resource.plural}/{manifest.name} is missing the "
        f"{LAST_APPLIED} annotation which is required by wherry apply. wherry apply should only be "
        "used on resources created declaratively by either wherry create --save-config or wherry "
        "apply. The missing annotation will be patched automatically.\n"
    )
