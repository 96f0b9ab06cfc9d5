"""The queue: order, back-off, parking, and that no pod is ever lost."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scheduler.framework import Happening
from scheduler.objects import Pod
from scheduler.queue import PARKED_SECONDS_MAX, Place, QueueCore
from scheduler.state import PodInfo

HELPED = {"Fit": frozenset({Happening.POD_GONE}), "Taint": frozenset({Happening.NODE_TAINTS})}
GONE, TAINTS = frozenset({Happening.POD_GONE}), frozenset({Happening.NODE_TAINTS})


def pod(name, priority=0, gates=(), uid=""):
    return PodInfo.of(
        Pod.from_wire(
            {
                "metadata": {"namespace": "n", "name": name, "uid": uid or name, "generation": 1},
                "spec": {"priority": priority, "schedulingGates": [{"name": g} for g in gates]},
            }
        )
    )


def drain(queue, now):
    names = []
    while (pending := queue.pop(now)) is not None:
        names.append(pending.pod.name)
    return names


def test_priority_first_then_waiting_time():
    queue = QueueCore(HELPED)
    for moment, (name, priority) in enumerate([("a", 0), ("b", 5), ("c", 0), ("d", 5)]):
        queue.put(pod(name, priority), moment)
    assert drain(queue, 9) == ["b", "d", "a", "c"]


def test_what_did_not_fit_waits_for_what_may_help():
    queue = QueueCore(HELPED)
    queue.put(pod("a"), 0)
    queue.pop(0)
    queue.did_not_fit("n/a", frozenset({"Fit"}), 0)
    queue.happened(TAINTS, 5)
    assert drain(queue, 5) == []
    queue.happened(GONE, 5)
    assert drain(queue, 5) == ["a"]


def test_help_that_comes_at_once_still_waits_for_the_back_off():
    queue = QueueCore(HELPED)
    queue.put(pod("a"), 0)
    queue.pop(0)
    queue.did_not_fit("n/a", frozenset({"Fit"}), 0)
    queue.happened(GONE, 0.1)
    assert queue.get("n/a").place is Place.BACKOFF
    assert queue.next_moment(0.1) == 1.0
    queue.tick(0.9)
    assert drain(queue, 0.9) == []
    queue.tick(1.0)
    assert drain(queue, 1.0) == ["a"]


def test_back_off_doubles_up_to_ten_seconds():
    queue = QueueCore(HELPED)
    queue.put(pod("a"), 0)
    now, waits = 0.0, []
    for _ in range(6):
        queue.pop(now)
        queue.failed("n/a", now)
        waits.append(queue.get("n/a").ready_at - now)
        now += waits[-1]
        queue.tick(now)
    assert waits == [1, 2, 4, 8, 10, 10]


def test_parked_for_too_long_is_tried_again():
    queue = QueueCore(HELPED)
    queue.put(pod("a"), 0)
    queue.pop(0)
    queue.did_not_fit("n/a", frozenset({"Taint"}), 0)
    queue.tick(PARKED_SECONDS_MAX - 1)
    assert drain(queue, 0) == []
    queue.tick(PARKED_SECONDS_MAX + 30)
    assert drain(queue, 0) == ["a"]


def test_gated_pods_wait_for_their_gates_only():
    queue = QueueCore(HELPED)
    queue.put(pod("a", gates=["g"]), 0)
    queue.happened(frozenset(Happening), 0)
    queue.tick(10_000)
    assert drain(queue, 0) == []
    assert queue.counts()[Place.GATED] == 1
    queue.put(pod("a"), 1)
    assert drain(queue, 1) == ["a"]


def test_a_changed_spec_is_a_new_chance_an_unchanged_one_is_not():
    queue = QueueCore(HELPED)
    queue.put(pod("a"), 0)
    queue.pop(0)
    queue.did_not_fit("n/a", frozenset({"Fit"}), 0)
    queue.put(pod("a"), 5)
    assert drain(queue, 5) == []
    queue.put(replace(pod("a"), generation=2), 5)
    assert drain(queue, 5) == ["a"]


def test_a_pod_of_the_same_name_made_anew_is_another_pod():
    queue = QueueCore(HELPED)
    queue.put(pod("a"), 0)
    queue.pop(0)
    queue.did_not_fit("n/a", frozenset({"Fit"}), 0)
    queue.put(pod("a", uid="other"), 1)
    pending = queue.pop(1)
    assert (pending.pod.uid, pending.attempts) == ("other", 1)
    queue.happened(GONE, 2)
    assert drain(queue, 2) == []


def test_removed_pods_are_gone_from_every_place():
    queue = QueueCore(HELPED)
    for name in "abc":
        queue.put(pod(name), 0)
    queue.pop(0)
    queue.did_not_fit("n/a", frozenset({"Fit"}), 0)
    for name in "abc":
        queue.remove(f"n/{name}")
    queue.happened(GONE, 100)
    queue.did_not_fit("n/a", frozenset(), 100)
    queue.failed("n/b", 100)
    queue.done("n/c")
    queue.tick(1000)
    assert drain(queue, 1000) == []
    assert "n/a" not in queue


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["put", "gate", "pop", "fits", "refused", "failed", "help", "tick", "gone"]
        ),
        st.sampled_from("abc"),
    ),
    max_size=60,
)


@given(STEPS)
def test_no_pod_is_lost(steps):
    """Every pending pod without gates is tried again when it may fit and time passes."""
    queue, now, expected = QueueCore(HELPED), 0.0, set()
    for number, (step, name) in enumerate(steps):
        key = f"n/{name}"
        now += 0.5
        match step:
            case "put" | "gate":
                gates = ["g"] if step == "gate" else []
                queue.put(replace(pod(name, gates=gates), generation=number), now)
                expected.add(key)
            case "pop":
                queue.pop(now)
            case "fits":
                if (pending := queue.get(key)) and pending.place is Place.FLYING:
                    queue.done(key)
                    expected.discard(key)
            case "refused":
                queue.did_not_fit(key, frozenset({"Fit"}), now)
            case "failed":
                queue.failed(key, now)
            case "help":
                queue.happened(GONE, now)
            case "tick":
                now += 5
                queue.tick(now)
            case "gone":
                queue.remove(key)
                expected.discard(key)
        assert {k for k in ("n/a", "n/b", "n/c") if k in queue} == expected
    for key in expected:
        queue.failed(key, now)
    now += PARKED_SECONDS_MAX + 60
    queue.tick(now)
    gated = {k for k in expected if queue.get(k).place is Place.GATED}
    assert all(queue.get(k).pod.gates for k in gated)
    now += 60
    queue.tick(now)
    assert {f"n/{name}" for name in drain(queue, now)} == expected - gated
