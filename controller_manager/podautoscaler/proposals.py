"""What each metric of an autoscaler asks for; the greatest wish wins.

A metric that can't be read never shrinks the target: then only growth asked for by the others counts.

Source: upstream's pkg/controller/podautoscaler/horizontal.go (computeReplicasForMetrics).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from controller_manager.podautoscaler import others, usage, words
from controller_manager.podautoscaler.metrics import resource_metrics
from controller_manager.podautoscaler.status import ACTIVE, Conditions
from controller_manager.podautoscaler.usage import NoMetrics, Rules, Target
from wherry.api import quantity
from wherry.api.autoscaling_v2 import (
    ContainerResourceMetricStatus,
    HorizontalPodAutoscaler,
    MetricSpec,
    MetricStatus,
    MetricTarget,
    MetricValueStatus,
    ResourceMetricStatus,
)
from wherry.api.core_v1 import Pod
from wherry.client.rest import Client

_NO_TARGET = (
    "invalid resource metric source: neither an average utilization target nor an average value "
    "(usage) target was set"
)
Ambiguity = Callable[[Sequence[Pod]], str]  # what is wrong with the selected pods; "" = nothing
Say = Callable[[str, str], None]  # (reason, message) of a warning about the autoscaler


@dataclass(slots=True)
class Wish:
    """The greatest wish, and the metric it is of."""

    replicas: int = 0
    name: str = ""
    statuses: list[MetricStatus] = field(default_factory=list)


async def of_all(
    client: Client, autoscaler: HorizontalPodAutoscaler, target: Target, rules: Rules,
    conditions: Conditions, now: datetime, say: Say, ambiguity: Ambiguity,
) -> Wish:  # fmt: skip
    """NoMetrics when no metric tells, or the ones that do would scale down.

    Its `statuses`, and the wish's, have an empty one for each metric that can't be read: clients show
    the n-th status beside the n-th metric.
    """
    metrics = autoscaler.spec.metrics
    wish, failed = Wish(), list[tuple[MetricSpec, NoMetrics]]()
    listed = await client.list(Pod, target.namespace, label_selector=target.selector)
    selected = listed.items
    wrong = ambiguity(selected)
    if wrong:
        conditions.set(ACTIVE, true=False, reason="AmbiguousSelector", message=wrong)
        say("AmbiguousSelector", wrong)
        raise NoMetrics(wrong)
    for metric in metrics:
        try:
            replicas, name, status = await _one(client, metric, target, selected, rules, now)
        except NoMetrics as error:
            failed.append((metric, error))
            say(words.reason(metric), str(error))
            wish.statuses.append(MetricStatus())
            continue
        wish.statuses.append(status)
        if not wish.name or replicas > wish.replicas:
            wish.replicas, wish.name = replicas, name
    if failed and (len(failed) == len(metrics) or wish.replicas < target.replicas):
        metric, first = failed[0]
        text = f"the HPA was unable to compute the replica count: {first}"
        conditions.set(ACTIVE, true=False, reason=words.reason(metric), message=text)
        count = f"{len(failed)} invalid out of {len(metrics)}"
        told = words.of_sum(metric, str(first))
        text = f"invalid metrics ({count}), first error is: {told}"
        raise NoMetrics(text, statuses=wish.statuses)
    text = f"the HPA was able to successfully calculate a replica count from {wish.name}"
    conditions.set(ACTIVE, true=True, reason="ValidMetricFound", message=text)
    return wish


async def _one(
    client: Client, metric: MetricSpec, target: Target, selected: list[Pod], rules: Rules,
    now: datetime,
) -> tuple[int, str, MetricStatus]:  # fmt: skip
    if metric.resource is not None:
        source, container = metric.resource.target, ""
        resource = metric.resource.name
    elif metric.container_resource is not None:
        source, container = metric.container_resource.target, metric.container_resource.container
        resource = metric.container_resource.name
    else:
        return await others.propose(client, metric, target, selected, rules, now)
    what = "usage" if source.average_value is not None else "utilization"
    if source.average_value is None and not source.average_utilization:
        raise NoMetrics(_NO_TARGET)
    try:
        return await _of_resource(client, resource, container, source, target, selected, rules, now)
    except NoMetrics as error:
        raise NoMetrics(f"failed to get {resource} {what}: {error}") from error


async def _of_resource(
    client: Client, resource: str, container: str, source: MetricTarget, target: Target,
    selected: list[Pod], rules: Rules, now: datetime,
) -> tuple[int, str, MetricStatus]:  # fmt: skip
    found = await resource_metrics(client, target.namespace, target.selector, resource, container)
    if not selected:
        raise NoMetrics(usage.NO_PODS)
    groups = usage.group(selected, found, resource, rules, now)
    counted = [pod for pod in selected if pod.metadata.name not in groups.ignored]
    what = f"{resource} container resource" if container else f"{resource} resource"
    if source.average_value is not None:
        proposal = usage.for_average(
            target.replicas, quantity.milli(source.average_value), found, groups, rules
        )
        name = what
    else:
        requests = usage.requests_of(counted, resource, container)
        proposal = usage.for_utilization(
            target.replicas, source.average_utilization or 0, found, groups, requests, rules
        )
        name = f"{what} utilization (percentage of request)"
    current = MetricValueStatus(
        average_value=_shown(resource, proposal.average),
        average_utilization=proposal.utilization,
    )
    return proposal.replicas, name, _status(resource, container, current)


def _shown(resource: str, milli: int) -> str:
    if resource == "cpu":
        return quantity.format_milli(milli)
    return quantity.format_value(milli // 1000)


def _status(resource: str, container: str, current: MetricValueStatus) -> MetricStatus:
    if container:
        of_container = ContainerResourceMetricStatus(
            name=resource, container=container, current=current
        )
        return MetricStatus(type="ContainerResource", container_resource=of_container)
    return MetricStatus(
        type="Resource", resource=ResourceMetricStatus(name=resource, current=current)
    )
