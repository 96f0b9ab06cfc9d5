"""Which pods of a ReplicaSet go first when it shrinks. Pure.

In upstream's order: not assigned, then pending, then not ready, then cheap to delete, then crowded on
one node, then ready for a short time, then often restarted, then young. Times are compared by their
logarithm, so that pods of about the same age are chosen from at random (by uid), not the youngest
half of them.

Source: upstream's ActivePodsWithRanks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from controller_manager import pods
from wherry.api.core_v1 import Pod

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
PHASE_ORDER = {"Pending": 0, "Unknown": 1, "Running": 2}
MAX_INT32 = 2**31 - 1

RankKey = tuple[int, int, int, int, int, int, int, int, int, str]


def deletion_key(pod: Pod, neighbours: int, now: datetime) -> RankKey:
    """Sorts ascending to the order of deletion. `neighbours`: related active pods on its node."""
    ready = pods.is_ready(pod)
    regular, sidecars = _restarts(pod)
    return (
        1 if pod.spec.node_name else 0,
        PHASE_ORDER.get(pod.status.phase, 0),
        1 if ready else 0,
        deletion_cost(pod),
        -neighbours,
        _age(pods.ready_since(pod), now) if ready else 0,
        -regular,
        -sidecars,
        _age(pod.metadata.creation_timestamp, now),
        pod.metadata.uid,
    )


def deletion_cost(pod: Pod) -> int:
    """The pod's own say; 0 when it says nothing that is a 32-bit number."""
    text = pod.metadata.annotations.get(DELETION_COST, "0")
    digits = text.removeprefix("-")
    if not digits.isdigit() or (len(digits) > 1 and digits[0] == "0") or text == "-0":
        return 0
    cost = int(text)
    return cost if -MAX_INT32 - 1 <= cost <= MAX_INT32 else 0


def _restarts(pod: Pod) -> tuple[int, int]:
    """(most restarts of a regular container, of a sidecar)."""
    sidecars = {c.name for c in pod.spec.init_containers if c.restart_policy == "Always"}
    regular = max((c.restart_count for c in pod.status.container_statuses), default=0)
    beside = max(
        (c.restart_count for c in pod.status.init_container_statuses if c.name in sidecars),
        default=0,
    )
    return regular, beside


def _age(since: datetime | None, now: datetime) -> int:
    """The age's magnitude; what has no time yet is youngest."""
    if since is None:
        return -1
    nanoseconds = (now - since).total_seconds() * 1e9
    return int(math.log2(nanoseconds)) if nanoseconds >= 1 else -1


def to_delete(
    active: Sequence[Pod], related: Iterable[Pod], count: int, now: datetime
) -> list[Pod]:
    """The `count` pods to delete. `related`: pods of all sets with the same owner, these included."""
    if count >= len(active):
        return list(active)
    crowd = Counter(pod.spec.node_name for pod in related if pods.is_active(pod))
    return sorted(active, key=lambda pod: deletion_key(pod, crowd[pod.spec.node_name], now))[:count]
