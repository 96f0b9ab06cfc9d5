"""`/metrics/resource`: CPU, memory and swap of node, pods and containers in Prometheus' text form. Pure.

Source: upstream's pkg/kubelet/metrics/collectors/resource_metrics.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubelet.stats.collector import NodeStats
from kubelet.stats.exposition import Sample, braces, page
from kubelet.stats.usage import Usage

_HEADS = {
    "container_cpu_usage_seconds_total": (
        "counter", "[STABLE] Cumulative cpu time consumed by the container in core-seconds"),
    "container_memory_working_set_bytes": (
        "gauge", "[STABLE] Current working set of the container in bytes"),
    "container_start_time_seconds": (
        "gauge", "[STABLE] Start time of the container since unix epoch in seconds"),
    "container_swap_usage_bytes": ("gauge", "[STABLE] Current amount of the container swap usage in bytes"),
    "node_cpu_usage_seconds_total": (
        "counter", "[STABLE] Cumulative cpu time consumed by the node in core-seconds"),
    "node_memory_working_set_bytes": ("gauge", "[STABLE] Current working set of the node in bytes"),
    "node_swap_usage_bytes": ("gauge", "[STABLE] Current swap usage of the node in bytes"),
    "pod_cpu_usage_seconds_total": (
        "counter", "[STABLE] Cumulative cpu time consumed by the pod in core-seconds"),
    "pod_memory_working_set_bytes": ("gauge", "[STABLE] Current working set of the pod in bytes"),
    "pod_swap_usage_bytes": ("gauge", "[STABLE] Current amount of the pod swap usage in bytes"),
    "resource_scrape_error": (
        "gauge", "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise"),
}  # fmt: skip


def resource_metrics(stats: NodeStats | None) -> str:
    """The page; None = they could not be had."""
    error = Sample("resource_scrape_error", "", 0 if stats else 1)
    return page(_HEADS, [*(_samples(stats) if stats is not None else ()), error])


def _samples(stats: NodeStats) -> Iterator[Sample]:
    moment = int(stats.at.timestamp() * 1000)
    yield from _of("node", "", stats.usage, moment)
    for pod in stats.pods:
        meta = pod.pod.metadata
        where = {"namespace": meta.namespace, "pod": meta.name}
        yield from _of("pod", braces(**where), pod.usage, moment)
        for one in pod.containers:
            labels = braces(container=one.name, **where)
            yield from _of("container", labels, one.usage, moment)
            yield Sample("container_start_time_seconds", labels, one.started_at.timestamp())


def _of(what: str, labels: str, usage: Usage, moment: int) -> Iterator[Sample]:
    yield Sample(f"{what}_cpu_usage_seconds_total", labels, usage.cpu_nanoseconds / 1e9, moment)
    yield Sample(f"{what}_memory_working_set_bytes", labels, usage.working_set_bytes, moment)
    yield Sample(f"{what}_swap_usage_bytes", labels, usage.swap_bytes, moment)
