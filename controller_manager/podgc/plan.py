"""Which pods have to go, though nobody asked: pure.

Orphaned: the node is gone for longer than the quarantine (a node may be deleted and registered
again). Terminated beyond a number: evicted ones first, then the oldest. Deleted before they were ever scheduled: no
kubelet will confirm them.

Source of the rules and words: upstream's pkg/controller/podgc.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from controller_manager import pods
from controller_manager.plan import Action, Delete, Patch
from wherry.api.core_v1 import Pod
from wherry.api.model import format_time

QUARANTINE_SECONDS = 40.0
EVICTED = "Evicted"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


@dataclass(frozen=True, slots=True)
class Doomed:
    """A pod to force out, and why: in words for people, and in one for the metrics."""

    pod: Pod
    message: str
    orphaned: bool = False
    reason: str = ""


def terminated(all_pods: Iterable[Pod], threshold: int) -> list[Doomed]:
    """Ended pods beyond the threshold, evicted and oldest ones first; a threshold of 0 or less keeps all."""
    if threshold <= 0:
        return []
    ended = [pod for pod in all_pods if pod.status.phase not in ("Pending", "Running", "Unknown")]
    ended = [pod for pod in ended if pod.status.phase]
    ended.sort(key=lambda pod: (pod.status.reason != EVICTED, _created(pod), pod.metadata.name))
    surplus = ended[: max(0, len(ended) - threshold)]
    return [
        Doomed(pod, "PodGC: terminated pod threshold exceeded", reason="terminated")
        for pod in surplus
    ]


def _created(pod: Pod) -> float:
    created = pod.metadata.creation_timestamp
    return created.timestamp() if created else 0.0


def orphaned(all_pods: Iterable[Pod], gone_nodes: frozenset[str]) -> list[Doomed]:
    """Pods on nodes that are known not to exist."""
    return [
        Doomed(pod, "PodGC: node no longer exists", orphaned=True, reason="orphaned")
        for pod in all_pods
        if pod.spec.node_name in gone_nodes
    ]


def unscheduled_terminating(all_pods: Iterable[Pod]) -> list[Doomed]:
    return [
        Doomed(pod, "PodGC: unscheduled pod was deleted", reason="unscheduled")
        for pod in all_pods
        if pods.is_terminating(pod) and not pod.spec.node_name
    ]


def terminating_out_of_service(all_pods: Iterable[Pod], lost_nodes: frozenset[str]) -> list[Doomed]:
    """Terminating pods on nodes that are not ready and marked out of service by a person."""
    return [
        Doomed(pod, "PodGC: node is out of service", orphaned=True, reason="out-of-service")
        for pod in all_pods
        if pods.is_terminating(pod) and pod.spec.node_name in lost_nodes
    ]


def force_out(doomed: Doomed, now: datetime) -> list[Action]:
    """Mark the pod failed if it had not ended (jobs count it), then delete it without grace."""
    pod, metadata = doomed.pod, doomed.pod.metadata
    actions: list[Action] = []
    if not pods.is_terminal(pod):
        status: dict[str, object] = {"phase": "Failed"}
        if doomed.orphaned:
            status["conditions"] = [
                {
                    "type": "DisruptionTarget",
                    "status": "True",
                    "reason": "DeletionByPodGC",
                    "message": doomed.message,
                    "lastTransitionTime": format_time(now),
                }
            ]
        patch = {"metadata": {"uid": metadata.uid}, "status": status}
        actions.append(Patch(Pod, metadata.namespace, metadata.name, patch, subresource="status"))
    actions.append(
        Delete(Pod, metadata.namespace, metadata.name, metadata.uid, grace_period_seconds=0)
    )
    return actions


def after_quarantine(
    missing: Iterable[str], since: Mapping[str, datetime], now: datetime
) -> tuple[dict[str, datetime], list[str]]:
    """(first missed when, by node; those missed long enough to be looked up)."""
    noted = {name: since.get(name, now) for name in missing}
    due = [n for n, first in noted.items() if (now - first).total_seconds() >= QUARANTINE_SECONDS]
    return noted, due
