"""What pods use, as `kubectl top` shows it and as an autoscaler follows it."""

from __future__ import annotations

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.support import IMAGE, Cluster, wait

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

BUSY = "trap 'exit 0' TERM; while :; do :; done"


def deployment(namespace: str) -> dict[str, object]:
    container = {
        "name": "app", "image": IMAGE, "command": ["sh", "-c", BUSY],
        "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "200m"}},
        "readinessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 1},
    }  # fmt: skip
    labels = {"app": "busy"}
    pod = {"containers": [container], "terminationGracePeriodSeconds": 1}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "busy", "namespace": namespace},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def test_top_shows_the_load_and_an_autoscaler_follows_it(cluster: Cluster, namespace: str) -> None:
    cluster.apply(deployment(namespace))
    cluster.kubectl("rollout", "status", "-n", namespace, "deployment/busy", "--timeout=60s")
    cluster.kubectl(
        "autoscale", "deployment", "busy", "-n", namespace, "--cpu-percent=50", "--max=3"
    )
    rows = wait(
        lambda: cluster.kubectl(
            "top", "pods", "-n", namespace, "--no-headers", check=False
        ).split(),
        "kubectl top",
    )
    assert rows[0].startswith("busy-")
    assert 50 <= int(rows[1].removesuffix("m")) <= 300
    nodes = cluster.kubectl("top", "nodes", "--no-headers")
    assert len(nodes.splitlines()) == 2

    def scaled() -> bool:
        found = cluster.get("deployment", "busy", "-n", namespace)
        return int(found["spec"]["replicas"]) == 3

    wait(scaled, "three replicas", timeout=90)
    autoscaler = cluster.get("hpa", "busy", "-n", namespace)
    conditions = {one["type"]: one["status"] for one in autoscaler["status"]["conditions"]}
    assert conditions["AbleToScale"] == conditions["ScalingActive"] == "True"


def test_the_summary_tells_of_pods(cluster: Cluster, namespace: str) -> None:
    cluster.apply(deployment(namespace))
    cluster.kubectl("rollout", "status", "-n", namespace, "deployment/busy", "--timeout=60s")
    [pod] = cluster.get("pods", "-n", namespace)["items"]
    node = f"/api/v1/nodes/{pod['spec']['nodeName']}/proxy"
    summary = json.loads(cluster.kubectl("get", "--raw", f"{node}/stats/summary"))
    [mine] = [one for one in summary["pods"] if one["podRef"]["uid"] == pod["metadata"]["uid"]]
    assert mine["containers"][0]["name"] == "app"
    assert mine["cpu"]["usageNanoCores"] > 0
    assert mine["memory"]["workingSetBytes"] > 0
    assert mine["network"]["name"] == "eth0"
    pages = {
        page: cluster.kubectl("get", "--raw", f"{node}/metrics{page}")
        for page in ("", "/cadvisor", "/probes", "/resource")
    }
    of_pod = {"namespace": namespace, "pod": pod["metadata"]["name"]}
    of_app = {**of_pod, "container": "app"}
    for page, name, labels in (
        ("/cadvisor", "container_cpu_usage_seconds_total", {**of_app, "cpu": "total"}),
        ("/cadvisor", "container_cpu_cfs_throttled_seconds_total", of_app),
        ("/cadvisor", "container_memory_working_set_bytes", of_app),
        ("/cadvisor", "container_network_receive_bytes_total", {**of_pod, "interface": "eth0"}),
        ("/cadvisor", "machine_memory_bytes", {}),
        ("/probes", "prober_probe_total", {**of_app, "result": "successful"}),
        ("/probes", "prober_probe_duration_seconds_count", of_app),
        ("/resource", "container_cpu_usage_seconds_total", of_app),
        ("", "kubelet_pod_start_duration_seconds_count", {}),
        ("", "kubelet_runtime_operations_total", {"operation_type": "create_container"}),
        ("", "kubelet_node_name", {"node": pod["spec"]["nodeName"]}),
        ("", "kubelet_running_pods", {}),
    ):
        assert max(values(pages[page], name, labels), default=0) > 0, (page, name, labels)


def values(page: str, name: str, labels: dict[str, str]) -> list[float]:
    """Of a metric's samples that have these labels."""
    return [
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
