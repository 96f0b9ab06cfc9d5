"""Asks metrics.k8s.io what the pods of a target use.

Source: upstream's pkg/controller/podautoscaler/metrics/client.go.
"""

from __future__ import annotations

from datetime import timedelta

from controller_manager.podautoscaler.usage import NoMetrics, PodMetric
from wherry.api import quantity
from wherry.api.errors import ApiError
from wherry.api.metrics_v1beta1 import PodMetrics
from wherry.client.rest import ApiUnavailable, Client
from wherry.daemon.flags import parse_duration


async def resource_metrics(
    client: Client, namespace: str, selector: str, resource: str, container: str = ""
) -> dict[str, PodMetric]:
    """By pod name; NoMetrics when there are none, or a pod has no such container."""
    what = "unable to get metrics for resource"
    try:
        listed = await client.list(PodMetrics, namespace, label_selector=selector)
    except (ApiError, ApiUnavailable) as error:
        why = f"unable to fetch metrics from resource metrics API: {error}"
        raise NoMetrics(f"{what} {resource}: {why}") from error
    if not listed.items:
        raise NoMetrics(f"{what} {resource}: no metrics returned from resource metrics API")
    for one in listed.items:
        if container and all(c.name != container for c in one.containers):
            where = f"{one.metadata.namespace}/{one.metadata.name}"
            why = f"container {container} not present in metrics for pod {where}"
            raise NoMetrics(f"{what} {resource}: failed to get container metrics: {why}")
    found = {
        one.metadata.name: metric
        for one in listed.items
        if (metric := _of_pod(one, resource, container)) is not None
    }
    return found


def _of_pod(found: PodMetrics, resource: str, container: str) -> PodMetric | None:
    """None when a container does not tell: half a pod's use would mislead."""
    total = 0
    wanted = [one for one in found.containers if not container or one.name == container]
    for one in wanted:
        text = one.usage.get(resource)
        if text is None:
            return None
        total += quantity.milli(text)
    if not wanted or found.timestamp is None:
        return None
    return PodMetric(total, found.timestamp, timedelta(seconds=parse_duration(found.window)))
