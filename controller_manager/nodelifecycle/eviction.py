"""Until when may a pod stay on a node whose NoExecute taints it does not tolerate for ever? Pure.

Source of the rules: upstream's pkg/controller/tainteviction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from controller_manager import pods
from controller_manager.nodelifecycle.taints import NO_EXECUTE
from controller_manager.plan import Delete, Emit, Patch, Plan
from wherry.api.core_v1 import Pod
from wherry.api.core_v1.node import Taint
from wherry.api.model import format_time
from wherry.api.taints import matches

EPOCH = datetime.min.replace(tzinfo=UTC)


def leaves_at(
    pod: Pod, taints: Sequence[Taint], now: datetime, noted: datetime | None = None
) -> datetime | None:
    """The moment to evict the pod; None when it may stay. `noted`: when an earlier plan said later.

    The time a taint is tolerated for counts from when the taint was added or the pod started there,
    whichever is later, so it goes on across a restart of ours; a taint that says no time (kubectl's)
    counts from when it was first seen here. Of several tolerations of a taint
    all limit it; the shortest holds.
    """
    moments: list[datetime] = []
    for taint in taints:
        if taint.effect != NO_EXECUTE:
            continue
        matching = [t for t in pod.spec.tolerations if matches(t, taint)]
        if not matching:
            return now
        since = max(taint.time_added or noted or now, _arrived(pod))
        limits = [t.toleration_seconds for t in matching if t.toleration_seconds is not None]
        if limits:
            moments.append(since + timedelta(seconds=max(0, min(limits))))
    return min(moments, default=None)


def _arrived(pod: Pod) -> datetime:
    return pod.status.start_time or pod.metadata.creation_timestamp or EPOCH


def plan_eviction(pod: Pod, taints: Sequence[Taint], noted: datetime | None, now: datetime) -> Plan:
    """Evict now, later or not. `noted`: when an earlier plan said later."""
    if pods.is_terminating(pod):
        return Plan()
    moment = leaves_at(pod, taints, now, noted)
    key = pods.key(pod)
    if moment is None:
        if noted is None:
            return Plan()
        message = f"Cancelling deletion of Pod {key}"
        return Plan((Emit(pod, "Normal", "TaintManagerEviction", message),))
    if moment > now:
        return Plan(requeue_after=(moment - now).total_seconds())
    metadata = pod.metadata
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "DeletionByTaintManager",
        "message": "Taint manager: deleting due to NoExecute taint",
        "lastTransitionTime": format_time(now),
    }
    patch = {"metadata": {"uid": metadata.uid}, "status": {"conditions": [condition]}}
    return Plan(
        (
            Emit(pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {key}"),
            Patch(Pod, metadata.namespace, metadata.name, patch, subresource="status"),
            Delete(Pod, metadata.namespace, metadata.name, metadata.uid),
        )
    )
