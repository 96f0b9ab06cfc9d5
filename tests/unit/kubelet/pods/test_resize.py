"""Resizing in place: what is promised, what the engine is told, what the status says meanwhile."""

from datetime import timedelta

import pytest

from kubelet.pods import resize
from kubelet.pods.allocation import PodAllocation
from kubelet.pods.plan import resize_key
from kubelet.pods.publisher import patch
from kubelet.runtime.protocol import Applied, State
from tests.unit.kubelet.pods.test_plan import NOW, S0, kills, look, record, starts
from tests.unit.kubelet.pods.test_status import SANDBOX, condition, status
from tests.unit.kubelet.pods.test_status import record as status_record
from wherry.api.core_v1 import Pod

SMALL = Applied(cpu_shares=102, cpu_quota=20_000, memory=64 << 20)


def pod(cpu="200m", memory="64Mi", request="100m", policy=(), said=None, generation=1):
    """A pod of one container `a`; `said` are limits and requests its status speaks of."""
    resources = {"limits": {"cpu": cpu, "memory": memory}, "requests": {"cpu": request}}
    statuses = [{"name": "a", "state": {"running": {}}, **said}] if said else []
    return Pod.from_wire(
        {
            "metadata": {"name": "p", "namespace": "d", "uid": "u", "generation": generation},
            "spec": {
                "restartPolicy": "Always",
                "containers": [
                    {
                        "name": "a",
                        "image": "i",
                        "resources": resources,
                        "resizePolicy": [
                            {"resourceName": name, "restartPolicy": "RestartContainer"}
                            for name in policy
                        ],
                    }
                ],
            },
            "status": {"qosClass": "Burstable", "containerStatuses": statuses},
        }
    )


def test_what_applies_is_left_alone():
    result = look(pod(), S0, record("a", applied=SMALL))
    assert (result.resize, kills(result)) == ([], [])


def test_a_running_container_is_changed():
    [change] = look(pod("300m", "96Mi", "150m"), S0, record("a", applied=SMALL)).resize
    assert resize.told(change.container) == Applied(153, 30_000, 96 << 20)


@pytest.mark.parametrize(
    ("wish", "used", "refused"),
    [("32Mi", 20, False), ("32Mi", 40, True), ("128Mi", 200, False), ("64Mi", 80, False)],
    ids=["there is room", "it would be killed", "more", "as it is"],
)
def test_memory_in_use_is_not_taken_away(wish, used, refused):
    container = pod(memory=wish).spec.containers[0]
    text = resize.too_low(container, record("a", applied=SMALL), used << 20)
    assert bool(text) is refused
    if refused:
        assert text == "attempting to set memory limit (33554432) below current usage (41943040)"


def test_it_is_changed_once_at_a_time_and_not_too_often():
    running, key = record("a", applied=SMALL), resize_key("a")
    assert look(pod("1"), S0, running, busy=frozenset({key})).resize == []
    later = NOW + timedelta(seconds=5)
    waits = look(pod("1"), S0, running, not_before={key: later})
    assert (waits.resize, waits.wake_at) == ([], later)


@pytest.mark.parametrize(
    ("wished", "policy", "killed"),
    [
        (pod("300m", policy=("cpu",)), "cpu", ["a"]),
        (pod("300m", policy=("memory",)), "memory", []),
        (pod(memory="1Gi", policy=("memory",)), "memory", ["a"]),
    ],
    ids=["cpu", "another", "memory"],
)
def test_what_it_can_only_take_at_its_start(wished, policy, killed):
    result = look(wished, S0, record("a", applied=SMALL))
    assert kills(result) == killed
    assert len(result.resize) == 1 - len(killed)


def test_it_starts_anew_at_once():
    wished = pod("300m", policy=("cpu",))
    ended = record("a", State.EXITED, code=143, ago=5, ran=4, delay=300, applied=SMALL)
    assert starts(look(wished, S0, ended)) == [("a", 1)]
    assert starts(look(pod(), S0, ended)) == []


SAID = {
    "allocatedResources": {"cpu": "100m"},
    "resources": {"limits": {"cpu": "200m", "memory": "64Mi"}, "requests": {"cpu": "100m"}},
}


def test_a_promise_survives_the_kubelet():
    wished = pod("300m", request="250m", said=SAID)
    [container] = resize.with_allocation(wished, resize.first_allocation(wished)).spec.containers
    assert container.resources.limits == {"cpu": "200m", "memory": "64Mi"}
    assert container.resources.requests == {"cpu": "100m"}
    unsaid = pod("300m")
    assert resize.with_allocation(unsaid, resize.first_allocation(unsaid)) is unsaid


ALLOCATABLE = {"cpu": "1", "memory": "1Gi", "pods": "10"}


@pytest.mark.parametrize(
    ("request_", "others", "wanted"),
    [
        ("500m", [pod(request="500m")], None),
        (
            "2",
            [],
            ("Infeasible", "Node didn't have enough capacity: cpu, requested: 2000, capacity: 1000"),
        ),
        (
            "600m",
            [pod(request="500m")],
            ("Deferred", "Node didn't have enough resource: cpu, requested: 600, used: 500, capacity: 1000"),
        ),
    ],
    ids=["fits", "never", "not-now"],
)  # fmt: skip
def test_judgement(request_, others, wanted):
    assert resize.judge(pod("2", request=request_), others, ALLOCATABLE) == wanted


def test_a_promise_is_asked_for_until_it_is_given():
    verdicts = [resize.Refusal("Deferred", "full"), resize.Refusal("Deferred", "full"), None]
    said = []
    made = PodAllocation(
        pod(), lambda _: verdicts.pop(0), lambda kind, reason, text: said.append((kind, reason))
    )
    assert not made.consider(pod())
    wished = pod("300m", generation=2)
    assert not made.consider(wished)
    assert made.agreed(wished).spec.containers[0].resources.limits["cpu"] == "200m"
    assert made.refused == ("Deferred", "full")
    assert not made.consider(wished)
    assert said == [("Warning", "ResizeDeferred")], "once"
    assert made.consider(wished)
    assert made.agreed(wished) == wished
    assert made.refused is None
    assert said[-1] == ("Normal", "ResizeStarted")
    assert not made.consider(wished)


def test_the_status_meanwhile():
    wished = pod("300m", request="150m", generation=3)
    running = status_record("a", applied=SMALL)
    found = status(wished, SANDBOX, running, resize_error="busy")
    [one] = found.container_statuses
    assert one.allocated_resources == {"cpu": "150m"}
    assert one.resources.limits == {"cpu": "200m", "memory": "64Mi"}
    assert one.resources.requests == {"cpu": "100m"}
    under_way = condition(found, "PodResizeInProgress")
    assert (under_way.status, under_way.reason, under_way.message) == ("True", "Error", "busy")
    assert under_way.observed_generation == 3
    done = status(wished, SANDBOX, status_record("a", applied=Applied(153, 30_000, 64 << 20)))
    assert done.container_statuses[0].resources == wished.spec.containers[0].resources
    assert not {c.type for c in done.conditions} & {"PodResizePending", "PodResizeInProgress"}
    # A condition that went is named to go.
    assert {"$patch": "delete", "type": "PodResizeInProgress"} in patch(
        "u", done.to_wire(), found.to_wire()
    )["status"]["conditions"]


def test_a_resize_that_waits():
    found = status(pod(), SANDBOX, status_record("a", applied=SMALL), resize_pending=("Deferred", "full"))  # fmt: skip
    pending = condition(found, "PodResizePending")
    assert (pending.status, pending.reason, pending.message) == ("True", "Deferred", "full")
