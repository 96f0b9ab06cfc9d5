"""How many pods a metric of the kinds Pods, Object or External asks for, whoever serves it.

Source: upstream's pkg/controller/podautoscaler/horizontal.go (computeStatusFor...Metric); its words
stand as they do there, also where kind and error have changed places.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from controller_manager.gotext import go_text
from controller_manager.podautoscaler import custom, usage
from controller_manager.podautoscaler.usage import NoMetrics, Proposal, Rules, Target
from wherry.api import quantity
from wherry.api.autoscaling_v2 import (
    ExternalMetricSource,
    ExternalMetricStatus,
    MetricSpec,
    MetricStatus,
    MetricTarget,
    MetricValueStatus,
    ObjectMetricSource,
    ObjectMetricStatus,
    PodsMetricSource,
    PodsMetricStatus,
)
from wherry.api.core_v1 import Pod

Found = tuple[int, str, MetricStatus]  # replicas, what the metric is called, what it is


async def propose(
    client: custom.Asked, metric: MetricSpec, target: Target, selected: Sequence[Pod],
    rules: Rules, now: datetime,
) -> Found:  # fmt: skip
    """NoMetrics when it can't be had."""
    if metric.pods is not None:
        return await _of_pods(client, metric.pods, target, selected, rules, now)
    if metric.object is not None:
        return await _of_object(client, metric.object, target, selected, rules)
    if metric.external is not None:
        return await _of_external(client, metric.external, target, selected, rules)
    raise NoMetrics(f'unknown metric source type "{metric.type}"')


async def _of_pods(
    client: custom.Asked, source: PodsMetricSource, target: Target, selected: Sequence[Pod],
    rules: Rules, now: datetime,
) -> Found:  # fmt: skip
    name = source.metric.name
    try:
        found = await custom.of_pods(client, target.namespace, target.selector, source.metric)
    except NoMetrics as error:
        raise NoMetrics(f"unable to get metric {name}: {error}") from error
    if not selected:
        raise NoMetrics(usage.NO_PODS)
    groups = usage.group(selected, found, "", rules, now)
    wanted = quantity.milli(source.target.average_value or "0")
    proposal = usage.for_average(target.replicas, wanted, found, groups, rules)
    current = MetricValueStatus(average_value=quantity.format_milli(proposal.average))
    status = PodsMetricStatus(metric=source.metric, current=current)
    return proposal.replicas, f"pods metric {name}", MetricStatus(type="Pods", pods=status)


async def _of_object(
    client: custom.Asked, source: ObjectMetricSource, target: Target, selected: Sequence[Pod],
    rules: Rules,
) -> Found:  # fmt: skip
    about, metric = source.described_object, source.metric
    _check(source.target, "object")
    try:
        value = await custom.of_object(client, target.namespace, about, metric)
    except NoMetrics as error:
        where = f"{about.kind} on {target.namespace} {about.name}/{error}"
        raise NoMetrics(f"unable to get metric {metric.name}: {where}") from error
    proposal, current = _proposal(source.target, target, value, selected, rules)
    name = f"external metric {metric.name}({go_text(metric.selector)})"
    if current.value is not None:
        name = f"{about.kind} metric {metric.name}"
    status = ObjectMetricStatus(metric=metric, current=current, described_object=about)
    return proposal.replicas, name, MetricStatus(type="Object", object=status)


async def _of_external(
    client: custom.Asked, source: ExternalMetricSource, target: Target, selected: Sequence[Pod],
    rules: Rules,
) -> Found:  # fmt: skip
    metric = source.metric
    _check(source.target, "external")
    try:
        value = await custom.of_external(client, target.namespace, metric)
    except NoMetrics as error:
        where = f"{target.namespace}/{metric.name}/{go_text(metric.selector)}"
        raise NoMetrics(f"unable to get external metric {where}: {error}") from error
    proposal, current = _proposal(source.target, target, value, selected, rules)
    name = f"external metric {metric.name}({go_text(metric.selector)})"
    status = ExternalMetricStatus(metric=metric, current=current)
    return proposal.replicas, name, MetricStatus(type="External", external=status)


def _check(wanted: MetricTarget, what: str) -> None:
    if wanted.value is None and wanted.average_value is None:
        raise NoMetrics(
            f"invalid {what} metric source: "
            "neither a value target nor an average value target was set"
        )


def _proposal(
    wanted: MetricTarget, target: Target, value: int, selected: Sequence[Pod], rules: Rules
) -> tuple[Proposal, MetricValueStatus]:
    """By the value of all, or of each."""
    if wanted.average_value is not None:
        each = quantity.milli(wanted.average_value)
        proposal = usage.for_share(target.running, each, value, rules)
        return proposal, MetricValueStatus(average_value=quantity.format_milli(proposal.average))
    most = quantity.milli(wanted.value or "0")
    proposal = usage.for_total(target.replicas, most, value, selected, rules)
    return proposal, MetricValueStatus(value=quantity.format_milli(proposal.average))
