"""How many pods a resource metric asks for."""

from datetime import UTC, datetime, timedelta

import pytest

from controller_manager.podautoscaler.usage import (
    Groups,
    NoMetrics,
    PodMetric,
    Rules,
    for_average,
    for_utilization,
    group,
    requests_of,
)
from wherry.api.core_v1 import Pod

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
RULES = Rules()
NONE = frozenset()


def metrics(*values):
    window = timedelta(seconds=15)
    return {f"p{n}": PodMetric(value, NOW, window) for n, value in enumerate(values)}


def everyone(count, **more):
    return Groups(count, more.get("unready", NONE), more.get("missing", NONE), NONE)


def requests(count, milli=100):
    return {f"p{n}": milli for n in range(count)}


@pytest.mark.parametrize(
    ("used", "target", "wanted"),
    [
        pytest.param((100, 100, 100), 50, 6, id="twice the target"),
        pytest.param((54, 54, 54), 50, 3, id="within tolerance"),
        pytest.param((20, 20, 20), 50, 2, id="less"),
        pytest.param((1, 1, 1), 50, 1, id="hardly any"),
    ],
)
def test_utilization(used, target, wanted):
    found = for_utilization(3, target, metrics(*used), everyone(3), requests(3), RULES)
    assert found.replicas == wanted
    assert found.utilization == sum(used) * 100 // 300


def test_missing_pods_dampen_either_way():
    absent = frozenset({"p3"})
    up = everyone(3, missing=absent)
    found = for_utilization(4, 50, metrics(80, 80, 80), up, requests(4), RULES)
    assert found.replicas == 5, "counted as using nothing: 60 % of the requests of four"
    found = for_utilization(4, 50, metrics(10, 10, 10), up, requests(4), RULES)
    assert found.replicas == 3, "counted as using all they asked for: 32 %"


def test_starting_pods_use_nothing_when_scaling_up():
    groups = everyone(3, unready=frozenset({"p3"}))
    found = for_utilization(4, 50, metrics(80, 80, 80, 100), groups, requests(4), RULES)
    assert found.replicas == 5


def test_a_change_that_would_turn_is_none():
    groups = everyone(1, missing=frozenset({"p1", "p2"}))
    found = for_utilization(3, 50, metrics(60), groups, requests(3), RULES)
    assert found.replicas == 3


def test_average():
    found = for_average(2, 100, metrics(150, 250), everyone(2), RULES)
    assert (found.replicas, found.average, found.utilization) == (4, 200, None)


def test_no_ready_pod_tells_nothing():
    with pytest.raises(NoMetrics, match="pods might be unready"):
        for_average(1, 100, metrics(5), everyone(0, unready=frozenset({"p0"})), RULES)


def pod(name, phase="Running", ready="True", age=3600, changed=1800, cpu="100m", deleted=False):
    metadata = {"name": name}
    if deleted:
        metadata["deletionTimestamp"] = "2026-11-21T12:00:00Z"
    since = (NOW - timedelta(seconds=changed)).strftime("%Y-%m-%dT%H:%M:%SZ")
    begun = (NOW - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%SZ")
    resources = {"requests": {"cpu": cpu}} if cpu else {}
    return Pod.from_wire(
        {
            "metadata": metadata,
            "spec": {"containers": [{"name": "c", "resources": resources}]},
            "status": {
                "phase": phase, "startTime": begun,
                "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": since}],
            },
        }
    )  # fmt: skip


def test_who_counts_how():
    selected = [
        pod("p0"),
        pod("p1", phase="Pending"),
        pod("p2", phase="Failed"),
        pod("p3", deleted=True),
        pod("p4", age=60, changed=5),
        pod("p5", age=60, ready="False", changed=50),
        pod("p6", ready="False", changed=600),
        pod("p7", ready="False", changed=3590),
        pod("p9"),
    ]
    found = group(selected, metrics(*[1] * 8), "cpu", RULES, NOW)
    assert found.unready == {"p1", "p4", "p5", "p7"}
    assert found.missing == {"p9"}
    assert found.ignored == {"p2", "p3"}
    assert found.ready == 2


def test_memory_of_a_starting_pod_counts():
    found = group([pod("p0", age=60, changed=5)], metrics(1), "memory", RULES, NOW)
    assert found.ready == 1


def test_requests():
    assert requests_of([pod("p0"), pod("p1", cpu="2")], "cpu") == {"p0": 100, "p1": 2000}
    with pytest.raises(NoMetrics, match="missing request for cpu in container c of Pod p0"):
        requests_of([pod("p0", cpu="")], "cpu")
