"""What /metrics tells of what was done."""

import pytest

from kubelet.metrics import Metrics, operation
from kubelet.probes.records import ProbeRecords
from kubelet.probes.state import Kind, Outcome, Result
from wherry.daemon.exposition import metrics_page


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/containers/create", "create_container"),
        ("POST", "/containers/abc/start", "start_container"),
        ("GET", "/containers/json", "list_containers"),
        ("GET", "/containers/abc/json", "container_status"),
        ("GET", "/images/a%2Fb%3A1/json", "image_status"),
        ("DELETE", "/containers/abc", "remove_container"),
        ("POST", "/images/create", "pull_image"),
        ("DELETE", "/images/a/b:1", "remove_image"),
        ("GET", "/containers/abc/logs", ""),
    ],
)
def test_operations(method, path, name):
    assert operation(method, path) == name


def test_what_was_done():
    metrics = Metrics("n1")
    metrics.called("POST", "/containers/create", 0.02, failed=True)
    metrics.started_pod()
    metrics.started("init_container")
    metrics.pod_runs(1.5, -3.0)
    metrics.evicted("memory.available")
    text = metrics_page(metrics.registry).decode()
    for line in (
        'kubelet_node_name{node="n1"} 1.0',
        'kubelet_runtime_operations_errors_total{operation_type="create_container"} 1.0',
        'kubelet_runtime_operations_duration_seconds_bucket{le="0.025",operation_type="create_container"} 1.0',
        'kubelet_started_containers_total{container_type="podSandbox"} 1.0',
        'kubelet_pod_start_duration_seconds_bucket{le="2.0"} 1.0',
        "kubelet_pod_start_total_duration_seconds_sum 0.0",
        'kubelet_evictions{eviction_signal="memory.available"} 1.0',
    ):
        assert f"\n{line}\n" in text, line
    assert "_created" not in text


def test_probes_are_counted_and_forgotten():
    records, pod = ProbeRecords(), ("d", "p", "u")
    for result in (Result.SUCCESS, Result.SUCCESS, Result.FAILURE):
        records.add(Kind.LIVENESS, "c", pod, Outcome(result), 0.01)
    records.add(Kind.LIVENESS, "c", pod, Outcome(Result.UNKNOWN, "no", is_error=True), 0.01)
    text = metrics_page(records.registry).decode()
    labels = 'container="c",namespace="d",pod="p",pod_uid="u",probe_type="Liveness"'
    assert f'prober_probe_total{{{labels},result="successful"}} 2.0' in text
    assert f'prober_probe_total{{{labels},result="failed"}} 1.0' in text
    assert "unknown" not in text
    records.forget(Kind.LIVENESS, "c", pod)
    assert "Liveness" not in metrics_page(records.registry).decode()
