"""How many pods a metric asks for. Pure.

What is not known is counted against change: missing pods use everything when the others would scale
down, nothing when they would scale up; pods that just start use nothing yet.

Source: upstream's pkg/controller/podautoscaler/replica_calculator.go and metrics/utilization.go.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller_manager import pods
from wherry.api import quantity
from wherry.api.autoscaling_v2 import MetricStatus
from wherry.api.core_v1 import Container, Pod


class NoMetrics(ValueError):
    """The number can't be computed; the text says why.

    statuses: what is known all the same
    """

    def __init__(self, text: str, statuses: Sequence[MetricStatus] = ()) -> None:
        super().__init__(text)
        self.statuses = statuses


@dataclass(frozen=True, slots=True)
class Target:
    """Which pods; how many are wanted now, and how many there are."""

    namespace: str
    selector: str
    replicas: int
    running: int


@dataclass(frozen=True, slots=True)
class PodMetric:
    """One pod's use, in milli-units, over `window` until `at`."""

    value: int
    at: datetime
    window: timedelta


@dataclass(frozen=True, slots=True)
class Rules:
    """Flags and the direction's tolerances (shares of the target)."""

    up_tolerance: float = 0.1
    down_tolerance: float = 0.1
    cpu_initialization: timedelta = timedelta(minutes=5)
    initial_readiness_delay: timedelta = timedelta(seconds=30)

    def is_tolerated(self, ratio: float) -> bool:
        return 1.0 - self.down_tolerance <= ratio <= 1.0 + self.up_tolerance


@dataclass(frozen=True, slots=True)
class Groups:
    """Names of the selected pods; whoever is in none of the last three counts as ready."""

    ready: int
    unready: frozenset[str]
    missing: frozenset[str]
    ignored: frozenset[str]


@dataclass(frozen=True, slots=True)
class Proposal:
    """replicas wanted; utilization in per cent (None for raw targets); milli-units per pod, or in all
    where the target is for all."""

    replicas: int
    utilization: int | None
    average: int


Metrics = Mapping[str, PodMetric]
NO_PODS = "no pods returned by selector while calculating replica count"


def group(
    selected: Iterable[Pod], metrics: Metrics, resource: str, rules: Rules, now: datetime
) -> Groups:
    """Who counts how."""
    ready, unready, missing, ignored = 0, set(), set(), set()
    for pod in selected:
        name = pod.metadata.name
        if pods.is_terminating(pod) or pod.status.phase == "Failed":
            ignored.add(name)
        elif pod.status.phase == "Pending":
            unready.add(name)
        elif name not in metrics:
            missing.add(name)
        elif resource == "cpu" and _is_starting(pod, metrics[name], rules, now):
            unready.add(name)
        else:
            ready += 1
    return Groups(ready, frozenset(unready), frozenset(missing), frozenset(ignored))


def _is_starting(pod: Pod, metric: PodMetric, rules: Rules, now: datetime) -> bool:
    """CPU of a start says nothing of the load."""
    condition, begun = pods.condition(pod, "Ready"), pod.status.start_time
    if condition is None or begun is None or condition.last_transition_time is None:
        return True
    changed = condition.last_transition_time
    if begun + rules.cpu_initialization > now:
        return condition.status == "False" or metric.at < changed + metric.window
    return condition.status == "False" and begun + rules.initial_readiness_delay > changed


def for_utilization(
    current: int, target: int, metrics: Metrics, groups: Groups, requests: Mapping[str, int],
    rules: Rules,
) -> Proposal:  # fmt: skip
    """Keep use at `target` per cent of the requests (milli-units by pod)."""
    known = _known(metrics, groups)
    utilization, average = _utilization(known, requests)
    ratio = utilization / target
    first = Proposal(current, utilization, average)

    def with_missing(value: Callable[[str], int]) -> dict[str, int]:
        return {name: value(name) for name in groups.missing}

    def again(values: Mapping[str, int]) -> float:
        return _utilization(values, requests)[0] / target

    least = max(100, target)
    replicas = _decide(
        current, ratio, known, groups, rules, again,
        missing=with_missing(lambda name: requests.get(name, 0) * least // 100),
    )  # fmt: skip
    return Proposal(replicas, first.utilization, first.average)


def for_average(
    current: int, target: int, metrics: Metrics, groups: Groups, rules: Rules
) -> Proposal:
    """Keep use at `target` milli-units a pod."""
    known = _known(metrics, groups)
    average = sum(known.values()) // len(known)

    def again(values: Mapping[str, int]) -> float:
        return (sum(values.values()) // len(values)) / target

    replicas = _decide(
        current, average / target, known, groups, rules, again,
        missing=dict.fromkeys(groups.missing, target),
    )  # fmt: skip
    return Proposal(replicas, None, average)


def for_total(
    current: int, target: int, value: int, selected: Sequence[Pod], rules: Rules
) -> Proposal:
    """Keep one value that all pods work on at `target`."""
    ratio = value / target
    if current == 0:
        return Proposal(math.ceil(ratio), None, value)
    if rules.is_tolerated(ratio):
        return Proposal(current, None, value)
    if not selected:
        raise NoMetrics(f"unable to calculate ready pods: {NO_PODS}")
    ready = sum(pod.status.phase == "Running" and pods.is_ready(pod) for pod in selected)
    return Proposal(math.ceil(ratio * ready), None, value)


def for_share(running: int, target: int, value: int, rules: Rules) -> Proposal:
    """Keep each of the `running` pods' share of one value at `target`."""
    wanted = math.ceil(value / target)
    if not running:
        return Proposal(wanted, None, value)
    if rules.is_tolerated(value / (target * running)):
        wanted = running
    return Proposal(wanted, None, math.ceil(value / running))


def _known(metrics: Metrics, groups: Groups) -> dict[str, int]:
    out = groups.unready | groups.ignored
    found = {name: metric.value for name, metric in metrics.items() if name not in out}
    if not found:
        raise NoMetrics("did not receive metrics for targeted pods (pods might be unready)")
    return found


def _utilization(values: Mapping[str, int], requests: Mapping[str, int]) -> tuple[int, int]:
    """(per cent of what was asked for, milli-units per pod)."""
    counted = {name: value for name, value in values.items() if name in requests}
    if not counted:
        raise NoMetrics("no metrics returned matched known pods")
    used, asked = sum(counted.values()), sum(requests[name] for name in counted)
    if not asked:
        raise NoMetrics("no requests to compare the use with")
    return used * 100 // asked, used // len(counted)


def _decide(
    current: int, ratio: float, known: Mapping[str, int], groups: Groups, rules: Rules,
    again: Callable[[Mapping[str, int]], float], *, missing: Mapping[str, int],
) -> int:  # fmt: skip
    """The number of pods, with whoever is not known counted against the change."""
    unready_counts = bool(groups.unready) and ratio > 1.0
    if not unready_counts and not groups.missing:
        return current if rules.is_tolerated(ratio) else math.ceil(ratio * groups.ready)
    values = dict(known)
    if groups.missing:
        if ratio < 1.0:
            values |= missing
        elif ratio > 1.0:
            values |= dict.fromkeys(groups.missing, 0)
    if unready_counts:
        values |= dict.fromkeys(groups.unready, 0)
    new = again(values)
    turned = (ratio < 1.0 < new) or (new < 1.0 < ratio)
    if rules.is_tolerated(new) or turned:
        return current
    replicas = math.ceil(new * len(values))
    wrong_way = (new < 1.0 and replicas > current) or (new > 1.0 and replicas < current)
    return current if wrong_way else replicas


def requests_of(selected: Sequence[Pod], resource: str, container: str = "") -> dict[str, int]:
    """Milli-units each pod asks for, or one container of it; NoMetrics names who asks for nothing."""
    return {pod.metadata.name: _request(pod, resource, container) for pod in selected}


def _request(pod: Pod, resource: str, container: str) -> int:
    whole = pod.spec.resources
    if not container and whole is not None and resource in whole.requests:
        return quantity.milli(whole.requests[resource])
    total = 0
    for one in _lasting(pod):
        if container and one.name != container:
            continue
        text = one.resources.requests.get(resource)
        if text is None:
            raise NoMetrics(
                f"missing request for {resource} in container {one.name} of Pod {pod.metadata.name}"
            )
        total += quantity.milli(text)
    return total


def _lasting(pod: Pod) -> list[Container]:
    sidecars = [c for c in pod.spec.init_containers if c.restart_policy == "Always"]
    return [*pod.spec.containers, *sidecars]
