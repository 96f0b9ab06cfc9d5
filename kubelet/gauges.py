"""What the kubelet holds right now, for /metrics: tasks, workers, containers, what waits to be sent.

Names with `kubelet_` are upstream's (pkg/kubelet/metrics), those with `wherry_` ours. What grows here
and does not shrink when the pods have gone is a leak; the soak test reads it so.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kubelet.pods.cache import ContainerCache
from kubelet.runtime.protocol import State


@dataclass(frozen=True)
class Gauges(Collector):
    """`workers`, `queued`: how many pods have a worker, how many events wait to be sent."""

    cache: ContainerCache
    workers: Callable[[], int]
    queued: Callable[[], int]

    def register(self, registry: CollectorRegistry) -> None:
        registry.register(self)
        ProcessCollector(registry=registry)

    def collect(self) -> Iterator[Metric]:
        records = [r for uid in self.cache.pod_uids() for r in self.cache.records(uid)]
        boxes = {r.pod_uid for r in records if r.is_sandbox and r.state is State.RUNNING}
        yield _gauge("kubelet_running_pods", "Pods that have a running sandbox", len(boxes))
        states = Counter(str(r.state) for r in records if not r.is_sandbox)
        family = GaugeMetricFamily(
            "kubelet_running_containers", "Containers by state", labels=["container_state"]
        )
        for state in State:
            family.add_metric([str(state)], states[str(state)])
        yield family
        yield _gauge("wherry_kubelet_pod_workers", "Pods being looked after", self.workers())
        yield _gauge("wherry_kubelet_events_queued", "Events not sent yet", self.queued())
        yield _gauge("wherry_kubelet_tasks", "Tasks of the event loop", len(asyncio.all_tasks()))


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
