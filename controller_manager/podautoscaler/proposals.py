"""What each metric of an autoscaler asks for; the greatest wish wins.

A metric that can't be read never shrinks the target: then only growth asked for by the others counts.

Source: upstream's pkg/controller/podautoscaler/horizontal.go (computeReplicasForMetrics).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from controller_manager.podautoscaler import usage
from controller_manager.podautoscaler.metrics import resource_metrics
from controller_manager.podautoscaler.status import ACTIVE, Conditions
from controller_manager.podautoscaler.usage import NoMetrics, Rules
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

Say = Callable[[str, str], None]  # (reason, message) of a warning about the autoscaler
_NOT_SERVED = "no {} metrics API is served by this cluster"


@dataclass(frozen=True, slots=True)
class Target:
    """Which pods, and how many are wanted now."""

    namespace: str
    selector: str
    replicas: int


@dataclass(slots=True)
class Wish:
    """The greatest wish, and the metric it is of."""

    replicas: int = 0
    name: str = ""
    statuses: list[MetricStatus] = field(default_factory=list)


async def of_all(
    client: Client, autoscaler: HorizontalPodAutoscaler, target: Target, rules: Rules,
    conditions: Conditions, now: datetime, say: Say,
) -> Wish:  # fmt: skip
    """NoMetrics when no metric tells, or the ones that do would scale down."""
    if not target.selector:
        words = "the HPA target's scale is missing a selector"
        conditions.set(ACTIVE, true=False, reason="InvalidSelector", message=words)
        say("SelectorRequired", "selector is required")
        raise NoMetrics("selector is required")
    metrics = autoscaler.spec.metrics
    wish, failed = Wish(), list[tuple[str, NoMetrics]]()
    selected = (
        await client.list(Pod, target.namespace, label_selector=target.selector)
    ).items  # fmt: skip
    for metric in metrics:
        try:
            replicas, name, status = await _one(client, metric, target, selected, rules, now)
        except NoMetrics as error:
            failed.append((_failure(metric), error))
            say(_failure(metric), str(error))
            continue
        wish.statuses.append(status)
        if not wish.name or replicas > wish.replicas:
            wish.replicas, wish.name = replicas, name
    if failed and (len(failed) == len(metrics) or wish.replicas < target.replicas):
        reason, first = failed[0]
        words = f"the HPA was unable to compute the replica count: {first}"
        conditions.set(ACTIVE, true=False, reason=reason, message=words)
        count = f"{len(failed)} invalid out of {len(metrics)}"
        raise NoMetrics(f"({count}), first error is: {first}")
    words = f"the HPA was able to successfully calculate a replica count from {wish.name}"
    conditions.set(ACTIVE, true=True, reason="ValidMetricFound", message=words)
    return wish


def _failure(metric: MetricSpec) -> str:
    return f"FailedGet{metric.type}Metric"


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
        kind = "external" if metric.external is not None else "custom"
        raise NoMetrics(_NOT_SERVED.format(kind))
    if not selected:
        raise NoMetrics("no pods returned by selector while calculating replica count")
    found = await resource_metrics(client, target.namespace, target.selector, resource, container)
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
            target.replicas, _percent(source), found, groups, requests, rules
        )
        name = f"{what} utilization (percentage of request)"
    current = MetricValueStatus(
        average_value=_shown(resource, proposal.average),
        average_utilization=proposal.utilization,
    )
    return proposal.replicas, name, _status(resource, container, current)


def _percent(target: MetricTarget) -> int:
    if not target.average_utilization:
        raise NoMetrics("invalid resource metric source: neither an average utilization target nor an average value (usage) target was set")  # fmt: skip
    return target.average_utilization


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
