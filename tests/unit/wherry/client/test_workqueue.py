"""The queue's promises, for any order of calls."""

import asyncio
import time

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from wherry.client.metrics import QueueMetrics
from wherry.client.workqueue import QueueCore, QueueShutDown, WorkQueue

KEYS = st.sampled_from("abcd")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), KEYS),
        st.tuples(st.just("later"), KEYS),
        st.tuples(st.just("failed"), KEYS),
        st.tuples(st.just("take"), KEYS),
        st.tuples(st.just("done"), KEYS),
        st.tuples(st.just("tick"), KEYS),
    ),
    max_size=80,
)


def check(core):
    assert len(set(core.line)) == len(core.line)
    assert set(core.line) <= core.dirty
    assert not set(core.line) & core.processing
    assert core.dirty - core.processing == set(core.line)


@given(STEPS)
def test_no_key_is_lost_doubled_or_worked_twice_at_once(steps):
    core = QueueCore()
    now = 0.0
    owed = set()  # keys whose add has not been followed by the start of work
    for step, key in steps:
        if step == "add":
            core.add(key)
            owed.add(key)
        elif step == "later":
            core.add_at(key, now + 1.5)
        elif step == "failed":
            core.failed(key, now)
        elif step == "take" and core.line:
            before = set(core.processing)
            taken = core.take()
            assert taken not in before
            owed.discard(taken)
        elif step == "done" and key in core.processing:
            core.done(key)
        elif step == "tick":
            now += 1.0
            core.ripen(now)
            assert all(at > now for at in core.waiting.values())
        check(core)
    for key in [*core.processing]:
        core.done(key)
    core.ripen(now + 10_000)
    assert not core.waiting
    owed |= set(core.line)
    while core.line:
        owed.discard(core.take())
        check(core)
    assert not owed


def test_delays_double_until_forgotten():
    core = QueueCore()
    delays = []
    for _ in range(20):
        core.failed("a", 0.0)
        delays.append(core.waiting.pop("a"))
    assert delays[:3] == [0.005, 0.010, 0.020]
    assert delays[-1] == 1000.0
    core.forget("a")
    core.failed("a", 0.0)
    assert core.waiting["a"] == 0.005


def test_the_earliest_of_two_dates_stands():
    core = QueueCore()
    core.add_at("a", 5.0)
    core.add_at("a", 2.0)
    core.add_at("a", 9.0)
    assert core.next_moment() == 2.0
    core.ripen(2.0)
    assert [*core.line] == ["a"]
    assert core.next_moment() is None


async def test_a_key_added_while_worked_comes_again_after_done():
    queue = WorkQueue()
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    queue.add("a")
    waiting = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.done("a")
    assert await waiting == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_delayed_keys_come_in_time():
    queue = WorkQueue()
    start = time.monotonic()
    queue.add_after("late", 0.05)
    queue.add_after("soon", 0.01)
    assert [await queue.get(), await queue.get()] == ["soon", "late"]
    assert time.monotonic() - start >= 0.045


def test_delays_work_on_the_loop_that_daemons_run_on():
    """uvloop answers a call that is due at once with another kind of handle."""

    async def main():
        queue = WorkQueue()
        for number in range(50):
            queue.add_after(number, 1e-9 * number + 1e-9)
            queue.add_rate_limited(number)
        return {await asyncio.wait_for(queue.get(), 5) for _ in range(50)}

    assert uvloop.run(main()) == set(range(50))


async def test_a_cancelled_waiter_does_not_swallow_a_wake_up():
    queue = WorkQueue()
    first = asyncio.ensure_future(queue.get())
    second = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await asyncio.wait_for(second, 2) == "a"


async def test_many_workers_share_what_ripens_at_once():
    queue = WorkQueue()
    waiting = [asyncio.ensure_future(queue.get()) for _ in range(4)]
    await asyncio.sleep(0)
    for key in "abcd":
        queue.add_after(key, 0.005)
    assert sorted(await asyncio.wait_for(asyncio.gather(*waiting), 2)) == [*"abcd"]


async def test_shutdown_ends_the_waiting():
    queue = WorkQueue()
    waiting = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.shutdown()
    with pytest.raises(QueueShutDown):
        await waiting
    queue.add("a")
    with pytest.raises(QueueShutDown):
        await queue.get()


async def test_what_a_meter_tells():
    registry = CollectorRegistry()
    queue = WorkQueue()
    queue.add("before")

    def told(name):
        return registry.get_sample_value(f"workqueue_{name}", {"name": "q"})

    queue.measure(QueueMetrics(registry).of("q", queue.__len__))
    for key in ("a", "a", "b"):
        queue.add(key)
    assert (told("adds_total"), told("depth")) == (3, 3)
    first = await queue.get()
    queue.add(first)
    assert (told("adds_total"), told("depth")) == (4, 2)
    longest = told("longest_running_processor_seconds")
    assert told("unfinished_work_seconds") >= longest > 0
    queue.done(first)
    assert told("depth") == 3
    assert told("queue_duration_seconds_count") == told("work_duration_seconds_count") == 1
    assert told("unfinished_work_seconds") == 0
