"""What is low, since when, and what the node says of it."""

from datetime import UTC, datetime, timedelta

import pytest

from kubelet.eviction.thresholds import (
    HARD_DEFAULTS,
    MEMORY,
    NODE_DISK,
    Amount,
    Level,
    Policy,
    State,
    judge,
    thresholds,
)

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
GIB = 1 << 30


def at(seconds):
    return NOW + timedelta(seconds=seconds)


def policy(hard=(), soft=(), graces=(), reclaims=(), **more):
    return Policy(thresholds(hard, soft, graces, reclaims), **more)


def memory(available):
    return {MEMORY: Level(available, 4 * GIB)}


def test_defaults_are_upstreams():
    found = thresholds([], [], [], [])
    assert {t.signal for t in found} == set(HARD_DEFAULTS)
    assert next(t for t in found if t.signal == NODE_DISK).amount == Amount(share=0.1)
    assert all(t.is_hard for t in found)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((["memory.available"], [], [], []), "no statement"),
        ((["memory.free<1Gi"], [], [], []), "unknown eviction signal"),
        ((["memory.available<1Gi", "memory.available<2Gi"], [], [], []), "twice"),
        (([], ["memory.available<1Gi"], [], []), "grace period must be specified"),
        ((["memory.available<130%"], [], [], []), "between 0% and 100%"),
    ],
)
def test_nonsense_is_named(flags, said):
    with pytest.raises(ValueError, match=said):
        thresholds(*flags)


def test_zero_per_cent_turns_a_signal_off():
    assert thresholds(["memory.available<0%"], [], [], []) == ()


def test_a_hard_threshold_is_due_at_once():
    rules = policy(["memory.available<100Mi"])
    assert judge(rules, memory(GIB), State(), NOW).due == ()
    verdict = judge(rules, memory(50 << 20), State(), NOW)
    assert [t.signal for t in verdict.due] == [MEMORY]
    assert verdict.conditions == {"MemoryPressure"}


def test_a_soft_threshold_waits_but_is_reported():
    rules = policy(["memory.available<100Mi"], ["memory.available<1Gi"], ["memory.available=30s"])
    first = judge(rules, memory(GIB // 2), State(), NOW)
    assert (first.due, first.conditions) == ((), {"MemoryPressure"})
    second = judge(rules, memory(GIB // 2), first.state, at(29))
    assert second.due == ()
    assert len(judge(rules, memory(GIB // 2), second.state, at(30)).due) == 1
    well = judge(rules, memory(2 * GIB), second.state, at(30))
    again = judge(rules, memory(GIB // 2), well.state, at(40))
    assert again.due == (), "its time begins anew"


def test_a_condition_stays_for_the_transition_period():
    rules = policy(["memory.available<100Mi"], transition_seconds=60)
    low = judge(rules, memory(1 << 20), State(), NOW)
    soon = judge(rules, memory(GIB), low.state, at(59))
    assert soon.conditions == {"MemoryPressure"}
    assert soon.due == ()
    assert judge(rules, memory(GIB), soon.state, at(61)).conditions == frozenset()


def test_with_a_minimum_reclaim_it_is_not_over_at_the_threshold():
    rules = policy(["memory.available<100Mi"], reclaims=["memory.available=500Mi"])
    low = judge(rules, memory(50 << 20), State(), NOW)
    between = judge(rules, memory(300 << 20), low.state, at(10))
    assert len(between.due) == 1
    assert judge(rules, memory(300 << 20), State(), at(10)).due == ()
    assert judge(rules, memory(700 << 20), between.state, at(20)).due == ()


def test_memory_is_seen_to_before_disk():
    rules = policy(["nodefs.available<10%", "memory.available<100Mi"])
    levels = {**memory(0), NODE_DISK: Level(0, 100)}
    assert [t.signal for t in judge(rules, levels, State(), NOW).due] == [MEMORY, NODE_DISK]


def test_a_level_that_is_not_known_is_not_low():
    assert judge(policy(), {}, State(), NOW).due == ()
