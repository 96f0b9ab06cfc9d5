"""A Deployment's revisions and the progress of its rollout. Pure.

Source: k8s.io/kubectl/pkg/polymorphichelpers (rollout_status.go, rollback.go, history.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cli.errors import CliError

Tree = dict[str, Any]

REVISION = "deployment.kubernetes.io/revision"
CHANGE_CAUSE = "kubernetes.io/change-cause"
TEMPLATE_HASH = "pod-template-hash"
# What a rollback leaves as it is in the Deployment.
_OWN_ANNOTATIONS = (
    "kubectl.kubernetes.io/last-applied-configuration", REVISION,
    "deployment.kubernetes.io/revision-history", "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas", "deprecated.deployment.rollback.to",
)  # fmt: skip


def progress(deployment: Mapping[str, Any], revision: int = 0) -> tuple[str, bool]:
    """What to say of a rollout, and whether it is done. CliError when it has failed."""
    name = deployment["metadata"]["name"]
    status, spec = deployment.get("status", {}), deployment["spec"]
    if revision > 0 and revision_of(deployment) != revision:
        raise CliError(f"desired revision ({revision}) is different from the running revision ({revision_of(deployment)})")  # fmt: skip
    if deployment["metadata"].get("generation", 0) > status.get("observedGeneration", 0):
        return "Waiting for deployment spec update to be observed...", False
    for condition in status.get("conditions") or ():
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":  # fmt: skip
            raise CliError(f'deployment "{name}" exceeded its progress deadline')
    wanted = spec.get("replicas", 1)
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    available = status.get("availableReplicas", 0)
    head = f'Waiting for deployment "{name}" rollout to finish:'
    if updated < wanted:
        return f"{head} {updated} out of {wanted} new replicas have been updated...", False
    if total > updated:
        return f"{head} {total - updated} old replicas are pending termination...", False
    if available < updated:
        return f"{head} {available} of {updated} updated replicas are available...", False
    return f'deployment "{name}" successfully rolled out', True


def revision_of(tree: Mapping[str, Any]) -> int:
    text = (tree["metadata"].get("annotations") or {}).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def owned(replica_sets: Iterable[Tree], deployment: Mapping[str, Any]) -> dict[int, Tree]:
    """The Deployment's ReplicaSets by revision, oldest first."""
    uid = deployment["metadata"]["uid"]
    found = {}
    for one in replica_sets:
        owners = one["metadata"].get("ownerReferences") or ()
        if any(owner["uid"] == uid and owner.get("controller") for owner in owners):
            found[revision_of(one)] = one
    return dict(sorted(found.items()))


def rollback_patch(deployment: Tree, revisions: Mapping[int, Tree], to: int) -> list[Tree] | None:
    """JSON patch operations that bring a revision's pod template back; None when it is current."""
    current = revision_of(deployment)
    if to == 0:
        earlier = [number for number in revisions if number < max(revisions, default=0)]
        if not earlier:
            raise CliError(f'no rollout history found for deployment "{deployment["metadata"]["name"]}"')  # fmt: skip
        to = max(earlier)
    if to not in revisions:
        raise CliError(f"unable to find specified revision {to} in history")
    target = revisions[to]
    template = _template(target)
    if to == current or template == _template(deployment):
        return None
    kept = deployment["metadata"].get("annotations") or {}
    theirs = target["metadata"].get("annotations") or {}
    annotations = {key: value for key, value in theirs.items() if key not in _OWN_ANNOTATIONS}
    annotations |= {key: value for key, value in kept.items() if key in _OWN_ANNOTATIONS}
    return [
        {"op": "replace", "path": "/spec/template", "value": template},
        {"op": "replace" if kept else "add", "path": "/metadata/annotations", "value": annotations},
    ]


def _template(tree: Mapping[str, Any]) -> Tree:
    """The pod template without the label that tells ReplicaSets apart."""
    template: Tree = tree["spec"]["template"]
    meta = dict(template.get("metadata") or {})
    labels = {k: v for k, v in (meta.get("labels") or {}).items() if k != TEMPLATE_HASH}
    meta.pop("creationTimestamp", None)
    return {**template, "metadata": {**meta, "labels": labels}}
