"""`/metrics/resource`: CPU, memory and swap of node, pods and containers in Prometheus' text form. Pure.

Written line by line: each sample has the time it was read at, which Prometheus' client has no word for
in gauges made per scrape. Source: upstream's pkg/kubelet/metrics/collectors/resource_metrics.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubelet.stats.collector import NodeStats
from kubelet.stats.usage import Usage

_HEADS = {
    "container_cpu_usage_seconds_total": (
        "counter", "Cumulative cpu time consumed by the container in core-seconds"),
    "container_memory_working_set_bytes": (
        "gauge", "Current working set of the container in bytes"),
    "container_start_time_seconds": (
        "gauge", "Start time of the container since unix epoch in seconds"),
    "container_swap_usage_bytes": ("gauge", "Current amount of the container swap usage in bytes"),
    "node_cpu_usage_seconds_total": (
        "counter", "Cumulative cpu time consumed by the node in core-seconds"),
    "node_memory_working_set_bytes": ("gauge", "Current working set of the node in bytes"),
    "node_swap_usage_bytes": ("gauge", "Current swap usage of the node in bytes"),
    "pod_cpu_usage_seconds_total": (
        "counter", "Cumulative cpu time consumed by the pod in core-seconds"),
    "pod_memory_working_set_bytes": ("gauge", "Current working set of the pod in bytes"),
    "pod_swap_usage_bytes": ("gauge", "Current amount of the pod swap usage in bytes"),
    "resource_scrape_error": (
        "gauge", "1 if there was an error while getting container metrics, 0 otherwise"),
}  # fmt: skip

Sample = tuple[str, str, float]  # name, labels in braces or "", value


def resource_metrics(stats: NodeStats | None) -> str:
    """The page; None = they could not be had."""
    samples: dict[str, list[str]] = {name: [] for name in _HEADS}
    if stats is not None:
        moment = int(stats.at.timestamp() * 1000)
        for name, labels, value in _samples(stats):
            stamp = "" if name == "container_start_time_seconds" else f" {moment}"
            samples[name].append(f"{name}{labels} {value!r}{stamp}")
    samples["resource_scrape_error"].append(f"resource_scrape_error {0 if stats else 1}")
    lines = []
    for name, (kind, words) in _HEADS.items():
        if samples[name]:
            lines += [f"# HELP {name} [STABLE] {words}", f"# TYPE {name} {kind}", *samples[name]]
    return "\n".join(lines) + "\n"


def _samples(stats: NodeStats) -> Iterator[Sample]:
    yield from _of("node", "", stats.usage)
    for pod in stats.pods:
        meta = pod.pod.metadata
        where = f'namespace="{meta.namespace}",pod="{meta.name}"'
        yield from _of("pod", f"{{{where}}}", pod.usage)
        for one in pod.containers:
            labels = f'{{container="{one.name}",{where}}}'
            yield from _of("container", labels, one.usage)
            yield "container_start_time_seconds", labels, one.started_at.timestamp()


def _of(what: str, labels: str, usage: Usage) -> Iterator[Sample]:
    yield f"{what}_cpu_usage_seconds_total", labels, usage.cpu_nanoseconds / 1e9
    yield f"{what}_memory_working_set_bytes", labels, usage.working_set_bytes
    yield f"{what}_swap_usage_bytes", labels, usage.swap_bytes
