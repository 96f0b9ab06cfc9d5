"""How fast a number of pods may change."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller_manager.podautoscaler.behavior import Bounds, Change, Memory, normalize, rules_of
from wherry.api.autoscaling_v2 import HorizontalPodAutoscalerBehavior

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def at(seconds):
    return NOW + timedelta(seconds=seconds)


def rules(**given):
    behavior = HorizontalPodAutoscalerBehavior.from_wire(given) if given else None
    return rules_of(behavior, 300)


def decide(wished, bounds, memory=None, now=NOW, **given):
    up, down = rules(**given)
    return normalize(wished, bounds, up, down, memory or Memory(), now)


def test_within_bounds_the_wish_is_granted():
    found = decide(3, Bounds(2, 1, 10))
    assert (found.replicas, found.limited[:2]) == (3, (False, "DesiredWithinRange"))
    assert found.able[0] == "ReadyForNewScale"


@pytest.mark.parametrize(
    ("wished", "bounds", "replicas", "reason"),
    [
        pytest.param(100, Bounds(1, 1, 50), 4, "ScaleUpLimit", id="four to begin with"),
        pytest.param(100, Bounds(10, 1, 50), 20, "ScaleUpLimit", id="double"),
        pytest.param(100, Bounds(10, 1, 15), 15, "TooManyReplicas", id="most"),
        pytest.param(0, Bounds(10, 2, 15), 2, "TooFewReplicas", id="least"),
    ],
)
def test_without_behavior_the_plain_rules_limit(wished, bounds, replicas, reason):
    found = decide(wished, bounds)
    assert found.replicas == replicas
    assert found.limited[:2] == (True, reason)


def test_with_any_behavior_its_defaults_limit():
    given = {"scaleDown": {"stabilizationWindowSeconds": 1}}
    assert decide(100, Bounds(1, 1, 50), **given).replicas == 5, "four more at once"
    assert decide(100, Bounds(10, 1, 50), **given).replicas == 20, "or twice as many"


def test_going_down_waits_for_the_highest_recent_wish():
    memory, bounds = Memory(), Bounds(8, 1, 10)
    decide(8, bounds, memory, at(0))
    found = decide(2, bounds, memory, at(100))
    assert (found.replicas, found.able[0]) == (8, "ScaleDownStabilized")
    assert decide(2, bounds, memory, at(301)).replicas == 2


def test_going_up_waits_when_asked_to():
    memory, bounds = Memory(), Bounds(2, 1, 10)
    slow = {"scaleUp": {"stabilizationWindowSeconds": 60}}
    decide(2, bounds, memory, at(0), **slow)
    found = decide(4, bounds, memory, at(30), **slow)
    assert (found.replicas, found.able[0]) == (2, "ScaleUpStabilized")
    assert decide(4, bounds, memory, at(61), **slow).replicas == 4


def test_changes_within_the_period_count():
    memory = Memory(ups=[Change(at(-10), 3)])
    policy = {"policies": [{"type": "Pods", "value": 4, "periodSeconds": 60}]}
    found = decide(20, Bounds(8, 1, 30), memory, **{"scaleUp": policy})
    assert found.replicas == 9, "five at the period's start, four more are allowed"


def test_a_direction_can_be_disabled():
    found = decide(2, Bounds(8, 1, 30), **{"scaleDown": {"selectPolicy": "Disabled"}})
    assert found.replicas == 8


def test_the_narrowest_policy_when_asked_for():
    two = [
        {"type": "Pods", "value": 1, "periodSeconds": 60},
        {"type": "Percent", "value": 100, "periodSeconds": 60},
    ]
    found = decide(30, Bounds(8, 1, 30), **{"scaleUp": {"selectPolicy": "Min", "policies": two}})
    assert found.replicas == 9


@given(
    st.integers(0, 200),
    st.integers(1, 50),
    st.integers(1, 50),
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 100)), max_size=5),
)
def test_never_beyond_its_bounds_nor_past_the_wish(wished, current, one, other, wishes):
    bounds = Bounds(
        min(max(current, min(one, other)), max(one, other)), min(one, other), max(one, other)
    )
    memory = Memory(wishes=[Change(at(-age), replicas) for age, replicas in wishes])
    found = decide(wished, bounds, memory)
    assert bounds.least <= found.replicas <= bounds.most
    if found.replicas > bounds.current:
        assert wished > bounds.current
    if found.replicas < bounds.current:
        assert wished < bounds.current


def test_memory_forgets():
    memory = Memory()
    memory.note_change(1, 5, at(0))
    memory.note_change(5, 4, at(1801))
    assert (memory.ups, memory.downs) == ([], [Change(at(1801), 1)])
