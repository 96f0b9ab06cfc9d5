"""What the kubelet has done so far and how long it took, for /metrics, by upstream's names.

What it holds right now is `gauges.py`'s.

Source: upstream's pkg/kubelet/metrics/metrics.go; buckets as there.
"""

from __future__ import annotations

import re

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
POD_SECONDS = (
    0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200,
    1800, 2700, 3600,
)  # fmt: skip

# How upstream calls what is asked of an engine, by method and path of Docker's API.
_OPERATIONS = (
    ("POST", r"/containers/create", "create_container"),
    ("POST", r"/containers/[^/]+/start", "start_container"),
    ("POST", r"/containers/[^/]+/kill", "stop_container"),
    ("POST", r"/containers/[^/]+/update", "update_container_resources"),
    ("POST", r"/containers/[^/]+/exec", "exec"),
    ("DELETE", r"/containers/[^/]+", "remove_container"),
    ("GET", r"/containers/json", "list_containers"),
    ("GET", r"/containers/[^/]+/json", "container_status"),
    ("GET", r"/images/json", "list_images"),
    ("GET", r"/images/.+/json", "image_status"),
    ("POST", r"/images/create", "pull_image"),
    ("DELETE", r"/images/.+", "remove_image"),
    ("GET", r"/version", "version"),
    ("GET", r"/(info|_ping)", "status"),
)
_COMPILED = tuple((method, re.compile(path), name) for method, path, name in _OPERATIONS)


def operation(method: str, path: str) -> str:
    """Upstream's name of a call; empty for what upstream does not count. Pure."""
    found = (name for its, path_of, name in _COMPILED if its == method and path_of.fullmatch(path))
    return next(found, "")


class Metrics:
    """Counters and histograms, made once by the composition root."""

    def __init__(self, node_name: str) -> None:
        self.registry = registry = CollectorRegistry()
        Gauge("kubelet_node_name", "The node's name. The count is always 1.", ("node",),
              registry=registry).labels(node_name).set(1)  # fmt: skip
        self._calls = Counter(
            "kubelet_runtime_operations_total", "Cumulative number of runtime operations by operation type.",
            ("operation_type",), registry=registry)  # fmt: skip
        self._failures = Counter(
            "kubelet_runtime_operations_errors_total",
            "Cumulative number of runtime operation errors by operation type.",
            ("operation_type",), registry=registry)  # fmt: skip
        self._call_seconds = Histogram(
            "kubelet_runtime_operations_duration_seconds",
            "Duration in seconds of runtime operations. Broken down by operation type.",
            ("operation_type",), buckets=SECONDS, registry=registry)  # fmt: skip
        self._relist_seconds = Histogram(
            "kubelet_pleg_relist_duration_seconds", "Duration in seconds for relisting pods in PLEG.",
            buckets=SECONDS, registry=registry)  # fmt: skip
        self._relisted_at = Gauge(
            "kubelet_pleg_last_seen_seconds", "Timestamp in seconds when PLEG was last seen active.",
            registry=registry)  # fmt: skip
        self._pod_start_seconds = Histogram(
            "kubelet_pod_start_duration_seconds",
            "Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run",
            buckets=POD_SECONDS, registry=registry)  # fmt: skip
        self._pod_total_seconds = Histogram(
            "kubelet_pod_start_total_duration_seconds",
            "Duration in seconds to start a pod since creation, including time to pull images and run "
            "init containers, measured from pod creation timestamp to when all its containers are "
            "reported as started",
            buckets=POD_SECONDS, registry=registry)  # fmt: skip
        self._pod_worker_seconds = Histogram(
            "kubelet_pod_worker_duration_seconds",
            "Duration in seconds to sync a single pod. Broken down by operation type: create, update, or sync",
            ("operation_type",), buckets=SECONDS, registry=registry)  # fmt: skip
        self._started_pods = Counter(
            "kubelet_started_pods_total", "Cumulative number of pods started", registry=registry)  # fmt: skip
        self._failed_pods = Counter(
            "kubelet_started_pods_errors_total", "Cumulative number of errors when starting pods",
            registry=registry)  # fmt: skip
        self._started = Counter(
            "kubelet_started_containers_total", "Cumulative number of containers started",
            ("container_type",), registry=registry)  # fmt: skip
        self._failed = Counter(
            "kubelet_started_containers_errors_total", "Cumulative number of errors when starting containers",
            ("container_type", "code"), registry=registry)  # fmt: skip
        # A counter, but prometheus_client would put `_total` behind upstream's name.
        self._evictions = Gauge(
            "kubelet_evictions", "Cumulative number of pod evictions by eviction signal",
            ("eviction_signal",), registry=registry)  # fmt: skip

    def called(self, method: str, path: str, seconds: float, *, failed: bool) -> None:
        """A call of the engine is over."""
        name = operation(method, path)
        if name:
            self._calls.labels(name).inc()
            self._call_seconds.labels(name).observe(seconds)
            if failed:
                self._failures.labels(name).inc()

    def started_pod(self) -> None:
        """A sandbox runs and has its network."""
        self._started_pods.inc()
        self.started("podSandbox")

    def not_started_pod(self, reason: str) -> None:
        self._failed_pods.inc()
        self.not_started("podSandbox", reason)

    def relisted(self, at: float, seconds: float) -> None:
        """All containers were listed, at a moment (epoch)."""
        self._relist_seconds.observe(seconds)
        self._relisted_at.set(at)

    def pod_runs(self, since_seen: float, since_created: float) -> None:
        """A pod runs, so many seconds after we saw it first and after it was made."""
        self._pod_start_seconds.observe(since_seen)
        self._pod_total_seconds.observe(max(0.0, since_created))

    def worked(self, operation_type: str, seconds: float) -> None:
        """One round of a pod's worker."""
        self._pod_worker_seconds.labels(operation_type).observe(seconds)

    def evicted(self, signal: str) -> None:
        self._evictions.labels(signal).inc()

    def started(self, container_type: str) -> None:
        """`containers.kind`, or podSandbox"""
        self._started.labels(container_type).inc()

    def not_started(self, container_type: str, reason: str) -> None:
        self._failed.labels(container_type, reason).inc()
