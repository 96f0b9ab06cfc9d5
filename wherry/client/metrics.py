"""What a daemon tells of its client, its work queues and its leadership; names and labels are upstream's.

Source: k8s.io/component-base/metrics/prometheus (workqueue, restclient, clientgo/leaderelection).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_QUEUE_BUCKETS = tuple(float(f"1e{exponent}") for exponent in range(-8, 4))
_REQUEST_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)


class QueueMeter:
    """Follows one queue's keys (`workqueue.Meter`)."""

    def __init__(self, families: QueueMetrics, name: str, length: Callable[[], int]) -> None:
        self._added = families.adds.labels(name)
        self._retried = families.retries.labels(name)
        self._waited = families.waits.labels(name)
        self._worked = families.works.labels(name)
        self._waiting: dict[Hashable, float] = {}
        self._running: dict[Hashable, float] = {}
        families.depth.labels(name).set_function(length)
        families.unfinished.labels(name).set_function(lambda: sum(self._ages()))
        families.longest.labels(name).set_function(lambda: max(self._ages(), default=0.0))

    def added(self, key: Hashable) -> None:
        """It came into line, or waits for the worker that has it to be done."""
        self._added.inc()
        self._waiting[key] = time.monotonic()

    def taken(self, key: Hashable) -> None:
        now = time.monotonic()
        since = self._waiting.pop(key, None)
        if since is not None:
            self._waited.observe(now - since)
        self._running[key] = now

    def done(self, key: Hashable) -> None:
        since = self._running.pop(key, None)
        if since is not None:
            self._worked.observe(time.monotonic() - since)

    def retried(self) -> None:
        self._retried.inc()

    def _ages(self) -> list[float]:
        now = time.monotonic()
        return [now - since for since in self._running.values()]


class QueueMetrics:
    """The work queues of a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"workqueue_{name}", text, ["name"], registry=registry)

        def counter(name: str, text: str) -> Counter:
            return Counter(f"workqueue_{name}", text, ["name"], registry=registry)

        def histogram(name: str, text: str) -> Histogram:
            return Histogram(
                f"workqueue_{name}", text, ["name"], registry=registry, buckets=_QUEUE_BUCKETS
            )

        self.depth = gauge("depth", "Current depth of workqueue")
        self.adds = counter("adds", "Total number of adds handled by workqueue")
        self.retries = counter("retries", "Total number of retries handled by workqueue")
        self.waits = histogram(
            "queue_duration_seconds",
            "How long in seconds an item stays in workqueue before being requested.",
        )
        self.works = histogram(
            "work_duration_seconds",
            "How long in seconds processing an item from workqueue takes.",
        )
        self.unfinished = gauge(
            "unfinished_work_seconds",
            "How many seconds of work is in progress and hasn't been observed by work_duration.",
        )
        self.longest = gauge(
            "longest_running_processor_seconds",
            "How many seconds has the longest running processor for workqueue been running.",
        )

    def of(self, name: str, length: Callable[[], int]) -> QueueMeter:
        """A meter for the queue that has this name and is so long."""
        return QueueMeter(self, name, length)


class RequestMetrics:
    """The requests of a client (`raw.Tell`)."""

    def __init__(self, registry: CollectorRegistry, host: str) -> None:
        self._host = host
        self._answers = Counter(
            "rest_client_requests",
            "Number of HTTP requests, partitioned by status code, method, and host.",
            ["code", "host", "method"], registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "rest_client_request_duration_seconds",
            "Request latency in seconds. Broken down by verb, and host.",
            ["host", "verb"], registry=registry, buckets=_REQUEST_BUCKETS,
        )  # fmt: skip

    def __call__(self, method: str, code: int | None, seconds: float) -> None:
        """`code`: None when there was no answer."""
        text = "<error>" if code is None else str(code)
        self._answers.labels(text, self._host, method).inc()
        self._seconds.labels(self._host, method).observe(seconds)


def leader_gauge(registry: CollectorRegistry, name: str) -> Gauge:
    """1 while this process leads, of the Lease called `name`."""
    family = Gauge(
        "leader_election_master_status",
        "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, "
        "1 indicates master. 'name' is the string used to identify the lease.",
        ["name"], registry=registry,
    )  # fmt: skip
    return family.labels(name)
