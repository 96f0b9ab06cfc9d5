"""Carrying plans out, one after the other, comes to rest from anywhere, and then nothing is left to do."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubelet.pods.failures import Failures
from kubelet.pods.observed import observe
from kubelet.pods.plan import SANDBOX, Plan, Situation, Stop, plan
from kubelet.pods.restart import CLOCK_STEP
from kubelet.pods.starter import StartError
from kubelet.runtime import labels as names
from kubelet.runtime.protocol import State
from tests.unit.kubelet.pods.test_plan import _RECORDS, NOW, pod, record

STEPS_MAX = 80
INIT, SIDE = "x", "s"


class Node:
    """Does what plans say. `ends`: exit codes of the next main containers; then they run on."""

    def __init__(self, wanted, records, ends):
        self.pod = wanted
        self.records = {r.id: r for r in records}
        self.ends = list(ends)
        self.now = NOW
        self.finished = False
        self.started = []  # (name, attempt, had the pod finished before?)

    def look(self, stop=None):
        observed = observe(self.records.values())
        started = frozenset(r.name for r in observed.running())
        found = plan(
            Situation(
                self.pod, observed, self.now, finished=self.finished, stop=stop, started=started
            )
        )
        self.finished = self.finished or found.finished
        return found

    def do(self, found):
        self.now += timedelta(seconds=1)
        if found.create_sandbox is not None:
            box = record(SANDBOX, attempt=found.create_sandbox)
            self.records[box.id] = replace(box, created_at=self.now)
        for kill in found.kill:
            self._end(kill.record, 137)
        for gone in (*found.remove, *found.remove_sandboxes):
            del self.records[gone.id]
        for start in found.start:
            name = start.container.name
            self.started.append((name, start.attempt, self.finished))
            made = record(name, attempt=start.attempt, sandbox=start.sandbox_id)
            labels = {**made.labels, names.RESTART_DELAY: str(start.restart_delay_seconds)}
            made = replace(made, labels=labels, created_at=self.now, started_at=self.now)
            self.records[made.id] = made
            if name == INIT:
                self._end(made, 0)
            elif name != SIDE and self.ends:
                self._end(made, self.ends.pop())

    def _end(self, one, code):
        self.records[one.id] = replace(
            one, state=State.EXITED, exit_code=code, finished_at=self.now
        )

    def settle(self, stop=None):
        """The last plan, which wants nothing."""
        for _ in range(STEPS_MAX):
            finished = self.finished
            found = self.look(stop)
            if does(found):
                self.do(found)
            elif self.finished and not finished:
                continue  # the worker looks again at once
            elif found.wake_at is not None:
                assert found.wake_at > self.now
                self.now = found.wake_at
            else:
                return found
        raise AssertionError(f"no rest after {STEPS_MAX} steps: {found}")


def does(found: Plan) -> bool:
    return found.create_sandbox is not None or any(
        (found.start, found.kill, found.resize, found.remove, found.remove_sandboxes)
    )


@settings(max_examples=100, deadline=None)
@given(
    records=_RECORDS,
    policy=st.sampled_from(["Always", "OnFailure", "Never"]),
    ends=st.lists(st.sampled_from([0, 1]), max_size=4),
)
def test_it_comes_to_rest_and_what_ended_stays_ended(records, policy, ends):
    node = Node(pod("a", "b", init=(INIT, f"{SIDE}+"), policy=policy), records, ends)
    last = node.settle()
    assert not does(node.look())
    assert last.finished == node.finished
    assert not any(had_finished for _, _, had_finished in node.started)
    running = {r.name for r in observe(node.records.values()).running()}
    if node.finished:
        assert not running & {"a", "b"}
    else:
        assert running & {"a", "b", INIT}
    begun = len(node.started)
    assert node.settle(Stop()).stopped
    assert len(node.started) == begun, "a pod that is to end starts nothing"
    assert not observe(node.records.values()).running()


def test_a_clock_set_back_is_not_waited_for():
    box, ended = record(SANDBOX), record("a", State.EXITED, code=1, delay=300)
    waits = Node(pod("a"), [box, ended], [])
    assert not waits.look().start
    waits.now = NOW - timedelta(hours=1)
    assert [start.attempt for start in waits.look().start] == [1]
    waits.now = ended.finished_at - CLOCK_STEP  # a clock that is kept in step does not jump so far
    assert not waits.look().start


@pytest.mark.parametrize(("back", "delay"), [(0, 10), (3, 10), (3600, 0)])
def test_a_failed_pull_is_not_held_off_by_a_clock_set_back(back, delay):
    failures = Failures()
    failures.add("c", StartError("ErrImagePull", "no", pull=True), NOW)
    now = NOW - timedelta(seconds=back)
    failures.settle(now)
    assert failures.not_before["c"] == (NOW if delay else now) + timedelta(seconds=delay)
