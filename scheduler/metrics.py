"""The scheduler's metrics, named as upstream's."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from scheduler.queue import Place

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

    def watch_queue(self, counts: Callable[[], dict[Place, int]]) -> None:
        """Ask the queue for its sizes when scraped."""
        for place in (Place.ACTIVE, Place.BACKOFF, Place.PARKED, Place.GATED):
            self._pending.labels(place.value).set_function(
                lambda place=place: float(counts()[place])  # type: ignore[misc]  # a default, not a parameter
            )
