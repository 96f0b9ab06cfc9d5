"""What controllers tell of their work, as upstream names it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from controller_manager.metrics import JobMetrics, NodeMetrics
from wherry.api.batch_v1 import Job
from wherry.api.core_v1 import Node


def node(name, status):
    conditions = [{"type": "Ready", "status": status}]
    return Node.from_wire({"metadata": {"name": name}, "status": {"conditions": conditions}})


def test_zones():
    registry = CollectorRegistry()
    metrics = NodeMetrics(registry)

    def told(name, zone):
        return registry.get_sample_value(f"node_collector_{name}", {"zone": zone})

    metrics.zones({"z1": [node("a", "True"), node("b", "Unknown")], "z2": [node("c", "True")]})
    assert [told(n, "z1") for n in ("zone_size", "unhealthy_nodes_in_zone", "zone_health")] == [
        2, 1, 50,
    ]  # fmt: skip
    metrics.zones({"z1": [node("a", "True")]})
    assert (told("zone_size", "z1"), told("zone_size", "z2")) == (1, None), "it is gone"


def job(**status):
    return Job.from_wire({"spec": {"completionMode": "Indexed"}, "status": status})


def test_a_job_is_finished_once():
    registry = CollectorRegistry()
    metrics = JobMetrics(registry)
    complete = {"type": "Complete", "status": "True", "reason": "CompletionsReached"}
    before, after = job(succeeded=1), job(succeeded=3, failed=1, conditions=[complete])
    metrics.written(before, after)
    metrics.written(after, after)
    metrics.synced(after, "pods_created", 0.1, well=True)

    def told(name, **labels):
        labels = {"completion_mode": "Indexed", **labels}
        return registry.get_sample_value(f"job_controller_{name}_total", labels)

    assert told("jobs_finished", result="succeeded", reason="CompletionsReached") == 1
    assert told("job_pods_finished", result="succeeded") == 2
    assert told("job_pods_finished", result="failed") == 1
    assert told("job_syncs", action="pods_created", result="success") == 1
