"""The annotations by which a Deployment and its ReplicaSets keep revisions and sizes. Pure.

kubectl's `rollout history` and `rollout undo` read them, so names and forms are upstream's.

Source: upstream's pkg/controller/deployment/util.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from wherry.api.apps_v1 import Deployment, ReplicaSet

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
ROLLBACK_TO = "deprecated.deployment.rollback.to"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

NOT_COPIED = frozenset(
    {LAST_APPLIED, REVISION, REVISION_HISTORY, DESIRED_REPLICAS, MAX_REPLICAS, ROLLBACK_TO}
)
REVISION_HISTORY_CHARS_MAX = 2000


def number(annotations: Mapping[str, str], name: str) -> int | None:
    """The annotation as a whole number; None when absent or no number."""
    text = annotations.get(name, "")
    try:
        return int(text)
    except ValueError:
        return None


def revision(obj: ReplicaSet | Deployment) -> int:
    return number(obj.metadata.annotations, REVISION) or 0


def highest_revision(sets: Iterable[ReplicaSet]) -> int:
    return max((revision(rs) for rs in sets), default=0)


def with_sizes(annotations: Mapping[str, str], desired: int, maximum: int) -> dict[str, str]:
    return {**annotations, DESIRED_REPLICAS: str(desired), MAX_REPLICAS: str(maximum)}


def for_replica_set(
    deployment: Deployment, current: Mapping[str, str], new_revision: int
) -> dict[str, str]:
    """A ReplicaSet's annotations: the Deployment's own, and a revision that only grows.

    When a set that had a revision gets a higher one (an undo), the old one goes to the history.
    """
    copied = {k: v for k, v in deployment.metadata.annotations.items() if k not in NOT_COPIED}
    merged = {**current, **copied}
    held = current.get(REVISION, "")
    if held and number(current, REVISION) is None:
        return merged  # somebody wrote a revision that is no number: leave it alone
    if int(held or 0) >= new_revision:
        return merged
    merged[REVISION] = str(new_revision)
    if held:
        merged[REVISION_HISTORY] = _appended(current.get(REVISION_HISTORY, ""), held)
    return merged


def _appended(history: str, old_revision: str) -> str:
    """The comma-joined history with one more entry, the oldest dropped when it grows too long."""
    if not history:
        return old_revision
    entries = [*history.split(","), old_revision]
    while len(",".join(entries)) > REVISION_HISTORY_CHARS_MAX and len(entries) > 1:
        entries.pop(0)
    return ",".join(entries)
