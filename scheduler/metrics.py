"""The scheduler's metrics, named as upstream's."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from scheduler.cache import Cache
from scheduler.queue import Pending, Place, QueueCore

_ATTEMPTS_SHOWN_MAX = 15
_BUCKETS = tuple(0.001 * 2**step for step in range(15))


class Metrics:
    """One per process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.attempts = Counter(
            "scheduler_schedule_attempts", "Attempts to schedule pods, by the result",
            ["profile", "result"], registry=registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "scheduler_scheduling_attempt_duration_seconds",
            "Scheduling attempt latency in seconds (scheduling algorithm + binding)",
            ["profile", "result"], registry=registry, buckets=_BUCKETS,
        )  # fmt: skip
        self.algorithm_seconds = Histogram(
            "scheduler_scheduling_algorithm_duration_seconds", "Scheduling algorithm latency",
            registry=registry, buckets=_BUCKETS,
        )  # fmt: skip
        self._pending = Gauge(
            "scheduler_pending_pods", "Number of pending pods, by the queue type", ["queue"],
            registry=registry,
        )  # fmt: skip

        self._sli_seconds = Histogram(
            "scheduler_pod_scheduling_sli_duration_seconds",
            "E2e latency for a pod being scheduled, from the time the pod enters the scheduling "
            "queue and might involve multiple scheduling attempts.",
            ["attempts"], registry=registry, buckets=tuple(0.01 * 2**step for step in range(20)),
        )  # fmt: skip
        self._tries = Histogram(
            "scheduler_pod_scheduling_attempts",
            "Number of attempts to successfully schedule a pod.",
            registry=registry, buckets=(1, 2, 4, 8, 16),
        )  # fmt: skip
        self._size = Gauge(
            "scheduler_cache_size", "Number of nodes, pods, and assumed pods in the cache",
            ["type"], registry=registry,
        )  # fmt: skip
        self._registry = registry

    def scheduled(self, pending: Pending, now: float) -> None:
        """The pod is bound."""
        tries = pending.attempts
        shown = str(tries) if tries <= _ATTEMPTS_SHOWN_MAX else f"{_ATTEMPTS_SHOWN_MAX}+"
        self._sli_seconds.labels(shown).observe(now - pending.first_at)
        self._tries.observe(tries)

    def watch(self, queue: QueueCore, cache: Cache) -> None:
        """Ask these two when scraped."""
        for place in (Place.ACTIVE, Place.BACKOFF, Place.PARKED, Place.GATED):
            self._pending.labels(place.value).set_function(
                lambda place=place: float(queue.counts()[place])  # type: ignore[misc]  # a default, not a parameter
            )
        self._size.labels("nodes").set_function(lambda: len(cache.nodes()))
        self._size.labels("pods").set_function(cache.__len__)
        self._size.labels("assumed_pods").set_function(lambda: len(cache.assumed))
        self._registry.register(_Incoming(queue))


class _Incoming(Collector):
    def __init__(self, queue: QueueCore) -> None:
        self._queue = queue

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(
            "scheduler_queue_incoming_pods",
            "Number of pods added to scheduling queues by event and queue type.",
            labels=["event", "queue"],
        )
        for (place, cause), count in self._queue.incoming.items():
            family.add_metric([cause.value, place.value], count)
        yield family
