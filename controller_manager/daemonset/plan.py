"""What a DaemonSet needs now: pods on nodes that lack one, no pods where none belongs. Pure.

`plan_daemons` brings the pods to the nodes and, when nothing is left to do there, moves a rolling
update on; `plan_status` tells what there is.

Source of the rules: upstream's pkg/controller/daemon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from controller_manager import pods
from controller_manager.daemonset.nodes import Fit, fit, is_updated, new_pod, node_of
from controller_manager.plan import Emit
from wherry.api.apps_v1 import DaemonSet, DaemonSetStatus
from wherry.api.core_v1 import Node, Pod

BURST_PODS = 250  # made or deleted in one pass
ROLLING_UPDATE = "RollingUpdate"


@dataclass(frozen=True)
class Observed:
    """pods: all that the set controls. hash_: of the present template. waits: for nodes whose
    pods failed before, the seconds until a failed pod is deleted there."""

    daemon_set: DaemonSet
    nodes: tuple[Node, ...]
    pods: tuple[Pod, ...]
    hash_: str
    waits: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def by_node(self) -> dict[str, list[Pod]]:
        """The pods by node, in their order of age; those that ended and go are as good as gone."""
        found: dict[str, list[Pod]] = {}
        for pod in sorted(self.pods, key=_age):
            if not (pods.is_terminal(pod) and pods.is_terminating(pod)):
                found.setdefault(node_of(pod), []).append(pod)
        return found

    @cached_property
    def fits(self) -> dict[str, Fit]:
        return {node.metadata.name: fit(self.daemon_set, node) for node in self.nodes}

    def is_updated(self, pod: Pod) -> bool:
        return is_updated(self.daemon_set, pod, self.hash_)

    def is_available(self, pod: Pod, now: datetime) -> bool:
        return pods.is_available(pod, self.daemon_set.spec.min_ready_seconds, now)


def _age(pod: Pod) -> tuple[bool, float, str]:
    """Bound ones first, then the oldest."""
    created = pod.metadata.creation_timestamp
    return not pod.spec.node_name, created.timestamp() if created else 0.0, pod.metadata.name


@dataclass(frozen=True, slots=True)
class DaemonsPlan:
    """create: pods to make. delete: pods to delete. failed_on: nodes whose failed pod is among
    them. wait: seconds until another failed pod may be deleted."""

    create: tuple[Pod, ...] = ()
    delete: tuple[Pod, ...] = ()
    events: tuple[Emit, ...] = ()
    failed_on: tuple[str, ...] = ()
    wait: float | None = None


@dataclass
class Draft:
    """What one decision has come to so far."""

    nodes: list[str] = field(default_factory=list)
    delete: list[Pod] = field(default_factory=list)
    events: list[Emit] = field(default_factory=list)
    failed_on: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)


def max_surge_of(daemon_set: DaemonSet) -> int | str:
    rolling = daemon_set.spec.update_strategy.rolling_update
    return (rolling.max_surge if rolling else None) or 0


def may_surge(daemon_set: DaemonSet) -> bool:
    return daemon_set.spec.update_strategy.type == ROLLING_UPDATE and max_surge_of(
        daemon_set
    ) not in (0, "0%")


def plan_daemons(observed: Observed) -> DaemonsPlan:
    """Pods where they belong, and only there."""
    draft = Draft()
    for name, fitting in observed.fits.items():
        here = observed.by_node.get(name, [])
        if fitting.runs and not here:
            draft.nodes.append(name)
        elif not fitting.stays:
            draft.delete += [pod for pod in here if not pods.is_terminating(pod)]
        elif here:
            _tidy(observed, name, here, draft)
    for name, here in observed.by_node.items():
        if name not in observed.fits:  # waits for a node that is gone
            draft.delete += [
                pod for pod in here if not pod.spec.node_name and not pods.is_terminating(pod)
            ]
    return finished(observed, draft)


def finished(observed: Observed, draft: Draft) -> DaemonsPlan:
    """The plan of a draft, within the bound of a pass."""
    made = [
        new_pod(observed.daemon_set, name, observed.hash_, observed.by_node.get(name, []))
        for name in draft.nodes[:BURST_PODS]
    ]
    return DaemonsPlan(
        tuple(made),
        tuple(draft.delete[:BURST_PODS]),
        tuple(draft.events),
        tuple(draft.failed_on),
        min(draft.waits, default=None),
    )


def _tidy(observed: Observed, name: str, here: Sequence[Pod], draft: Draft) -> None:
    """A node with pods: those that ended go, and of several that run the oldest stays."""
    running: list[Pod] = []
    for pod in here:
        if pods.is_terminating(pod):
            continue
        if pod.status.phase == "Failed":
            _replace_failed(observed, name, pod, draft)
        elif pod.status.phase == "Succeeded":
            message = _found("succeeded", pod, name) + " to delete it"
            draft.events.append(Emit(observed.daemon_set, "Normal", "SucceededDaemonPod", message))
            draft.delete.append(pod)
        else:
            running.append(pod)
    if not may_surge(observed.daemon_set):
        draft.delete += running[1:]
        return
    # One old and one new pod may stand side by side until the new one is available.
    for kind in (True, False):
        draft.delete += [pod for pod in running if observed.is_updated(pod) is kind][1:]


def _replace_failed(observed: Observed, name: str, pod: Pod, draft: Draft) -> None:
    """A failed pod goes, later and later on a node where that happens again and again."""
    wait = observed.waits.get(name, 0.0)
    if wait > 0:
        draft.waits.append(wait)
        return
    message = _found("failed", pod, name) + " to kill it"
    draft.events.append(Emit(observed.daemon_set, "Warning", "FailedDaemonPod", message))
    draft.failed_on.append(name)
    draft.delete.append(pod)


def _found(what: str, pod: Pod, node: str) -> str:
    key = pods.key(pod)
    return f"Found {what} daemon pod {key} on node {node}, will try"


def plan_status(
    observed: Observed, collision_count: int | None, now: datetime
) -> tuple[DaemonSetStatus, float | None]:
    """The status to write (maybe equal to the present one) and when a pod next gets available."""
    daemon_set = observed.daemon_set
    counts = dict.fromkeys(("desired", "current", "mis", "ready", "available", "updated"), 0)
    waits: list[float] = []
    for name, fitting in observed.fits.items():
        here = observed.by_node.get(name, [])
        counts["desired"] += fitting.runs
        counts["current"] += fitting.runs and bool(here)
        counts["mis"] += not fitting.runs and bool(here)
        if not here or not fitting.runs:
            continue
        first = here[0]
        until = pods.until_available(first, daemon_set.spec.min_ready_seconds, now)
        counts["ready"] += until is not None
        counts["available"] += until == 0.0
        counts["updated"] += observed.is_updated(first)
        waits += [until] if until else []
    status = daemon_set.status.with_(
        observed_generation=daemon_set.metadata.generation,
        desired_number_scheduled=counts["desired"],
        current_number_scheduled=counts["current"],
        number_misscheduled=counts["mis"],
        number_ready=counts["ready"],
        updated_number_scheduled=counts["updated"],
        number_available=counts["available"],
        number_unavailable=counts["desired"] - counts["available"],
        collision_count=collision_count,
    )
    return status, min(waits, default=None)
