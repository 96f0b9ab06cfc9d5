"""What single controllers tell of their work beside their queues; names and labels are upstream's.

Source: the `metrics` packages beside upstream's controllers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from controller_manager.job.assess import COMPLETE, FAILED, find, is_finished
from controller_manager.nodelifecycle.health import ready_status
from wherry.api.batch_v1 import Job
from wherry.api.core_v1 import Node

_BUCKETS = tuple(0.001 * 2**step for step in range(15))
_LONG_BUCKETS = tuple(0.1 * 2**step for step in range(14))


class NodeMetrics:
    """Of the node lifecycle and the taint eviction controller."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"node_collector_{name}", text, ["zone"], registry=registry)

        self._health = gauge("zone_health", "Percentage of healthy nodes per zone.")
        self._size = gauge("zone_size", "Number of registered Nodes per zone.")
        self._unhealthy = gauge("unhealthy_nodes_in_zone", "Number of not Ready Nodes per zone.")
        self.evictions = Counter(
            "node_collector_evictions",
            "Number of Node evictions that happened since the controller started.",
            ["zone"], registry=registry,
        )  # fmt: skip

    def zones(self, by_zone: Mapping[str, Iterable[Node]]) -> None:
        """What was seen at a look."""
        for family in (self._health, self._size, self._unhealthy):
            family.clear()
        for zone, nodes in by_zone.items():
            ready = [ready_status(node) == "True" for node in nodes]
            self._size.labels(zone).set(len(ready))
            self._unhealthy.labels(zone).set(ready.count(False))
            self._health.labels(zone).set(100 * ready.count(True) / len(ready))


def pod_deletions(registry: CollectorRegistry) -> Counter:
    return Counter(
        "taint_eviction_controller_pod_deletions",
        "Total number of Pods deleted by TaintEvictionController since its start.",
        registry=registry,
    )


class JobMetrics:
    """Of the Job controller."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["action", "completion_mode", "result"]
        self._syncs = Counter("job_controller_job_syncs", "Job syncs.", labels, registry=registry)
        self._seconds = Histogram(
            "job_controller_job_sync_duration_seconds", "Time of a Job sync.", labels,
            registry=registry, buckets=_BUCKETS,
        )  # fmt: skip
        self._finished = Counter(
            "job_controller_jobs_finished", "Jobs that ended.",
            ["completion_mode", "reason", "result"], registry=registry,
        )  # fmt: skip
        self._pods = Counter(
            "job_controller_job_pods_finished", "Pods of Jobs that ended and are counted.",
            ["completion_mode", "result"], registry=registry,
        )  # fmt: skip

    def synced(self, job: Job, action: str, seconds: float, *, well: bool) -> None:
        labels = (action, _mode(job), "success" if well else "error")
        self._syncs.labels(*labels).inc()
        self._seconds.labels(*labels).observe(seconds)

    def written(self, before: Job, after: Job) -> None:
        """A status, in place of an earlier one."""
        mode, was, now = _mode(before), before.status, after.status
        self._pods.labels(mode, "succeeded").inc(max(0, now.succeeded - was.succeeded))
        self._pods.labels(mode, "failed").inc(max(0, now.failed - was.failed))
        if is_finished(after) and not is_finished(before):
            for type_, result in ((COMPLETE, "succeeded"), (FAILED, "failed")):
                condition = find(now, type_)
                if condition is not None:
                    self._finished.labels(mode, condition.reason, result).inc()


def _mode(job: Job) -> str:
    return job.spec.completion_mode or "NonIndexed"


def job_creation_skew(registry: CollectorRegistry) -> Histogram:
    return Histogram(
        "cronjob_controller_job_creation_skew_duration_seconds",
        "Time between when a cronjob is scheduled to be run, and when the corresponding job is created",
        registry=registry, buckets=_LONG_BUCKETS,
    )  # fmt: skip


def job_deletion_delay(registry: CollectorRegistry) -> Histogram:
    return Histogram(
        "ttl_after_finished_controller_job_deletion_duration_seconds",
        "The time it took to delete the job since it became eligible for deletion",
        registry=registry, buckets=_LONG_BUCKETS,
    )  # fmt: skip


class PodGcMetrics:
    """Of the pod garbage collector."""

    def __init__(self, registry: CollectorRegistry) -> None:
        name, labels = "pod_gc_collector_force_delete_pod", ["namespace", "reason"]
        self.deleted = Counter(f"{name}s", "Pods that were forced out.", labels, registry=registry)
        self.failed = Counter(
            f"{name}_errors", "Pods that could not be forced out.", labels, registry=registry
        )
