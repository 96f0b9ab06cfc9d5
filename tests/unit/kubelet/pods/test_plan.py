"""The plan: what a pod's worker does next, for every stage of a pod's life."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubelet.pods.observed import observe
from kubelet.pods.plan import SANDBOX, Situation, Stop, plan, spec_hash
from kubelet.runtime import labels as names
from kubelet.runtime.labels import Identity
from kubelet.runtime.protocol import ContainerRecord, State
from wherry.api.core_v1 import Pod

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def pod(*names_, init=(), policy="Always", **spec):
    """A pod of containers named so; `init` names end with + when they are sidecars."""
    return Pod.from_wire(
        {
            "metadata": {"name": "p", "namespace": "d", "uid": "u"},
            "spec": {
                "restartPolicy": policy,
                "containers": [{"name": name, "image": "i"} for name in names_],
                "initContainers": [
                    {"name": name.rstrip("+"), "image": "i"}
                    | ({"restartPolicy": "Always"} if name.endswith("+") else {})
                    for name in init
                ],
                **spec,
            },
        }
    )


def record(
    name,
    state=State.RUNNING,
    *,
    attempt=0,
    code=0,
    ago=100.0,
    sandbox="s0",
    error="",
    delay=0,
    ran=5.0,
    applied=None,
    round=0,
):
    identity = Identity("u", "p", "d", name, attempt)
    created = NOW - timedelta(seconds=ago)
    labels = identity.labels("n") | {names.RESTART_DELAY: str(delay), names.ROUND: str(round)}
    if name != SANDBOX:
        labels[names.SANDBOX] = sandbox
    return ContainerRecord(
        id=f"{name}-{attempt}" if name != SANDBOX else f"s{attempt}",
        state=state,
        created_at=created,
        started_at=created,
        finished_at=created + timedelta(seconds=ran) if state is State.EXITED else None,
        exit_code=code,
        error=error,
        applied=applied,
        labels=labels,
    )


def look(wanted, *records, **situation):
    """The plan with a started verdict for all that runs."""
    observed = observe(records)
    situation.setdefault("started", frozenset(r.name for r in observed.running()))
    return plan(Situation(pod=wanted, observed=observed, now=NOW, **situation))


S0 = record(SANDBOX)


def starts(result):
    return [(start.container.name, start.attempt) for start in result.start]


def kills(result, *, held=False):
    """Whose turn it is; or who only runs its preStop hook yet."""
    return [kill.record.name for kill in result.kill if kill.held is held]


def test_a_new_pod_begins_with_its_sandbox():
    result = look(pod("a", "b"))
    assert (result.create_sandbox, starts(result)) == (0, [])


def test_all_containers_start_together_in_the_sandbox():
    result = look(pod("a", "b"), S0)
    assert starts(result) == [("a", 0), ("b", 0)]
    assert {start.sandbox_id for start in result.start} == {"s0"}


def test_nothing_is_done_twice():
    result = look(pod("a", "b"), S0, busy=frozenset({"a"}))
    assert starts(result) == [("b", 0)]
    assert look(pod("a"), busy=frozenset({SANDBOX})).create_sandbox is None


def test_a_sandbox_being_wired_is_of_no_use_yet():
    assert starts(look(pod("a"), S0, busy=frozenset({SANDBOX}))) == []


def test_a_running_pod_is_left_alone():
    result = look(pod("a"), S0, record("a"))
    assert result == plan(Situation(pod("a"), observe([S0, record("a")]), NOW))
    assert (starts(result), kills(result), result.finished, result.wake_at) == ([], [], False, None)


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 0, False),
        ("Never", 1, False),
    ],
)
def test_restart_policy(policy, code, again):
    result = look(pod("a", policy=policy), S0, record("a", State.EXITED, code=code))
    assert starts(result) == ([("a", 1)] if again else [])
    assert result.finished is not again


@pytest.mark.parametrize(
    ("delay", "ago", "ran", "waits", "next_delay"),
    [
        pytest.param(0, 10, 1, None, 10, id="the first restart is at once"),
        pytest.param(10, 5, 1, 10, None, id="then after ten seconds"),
        pytest.param(10, 12, 1, None, 20, id="which have passed"),
        pytest.param(160, 1000, 1, None, 300, id="never more than five minutes"),
        pytest.param(300, 300, 1, 300, None, id="nor less than said"),
        pytest.param(300, 700, 650, None, 10, id="one that lasted starts afresh"),
    ],
)
def test_crash_loop(delay, ago, ran, waits, next_delay):
    ended = record("a", State.EXITED, attempt=3, code=1, ago=ago, delay=delay, ran=ran)
    result = look(pod("a"), S0, ended)
    if waits is None:
        assert [(s.attempt, s.restart_delay_seconds) for s in result.start] == [(4, next_delay)]
    else:
        assert starts(result) == []
        assert result.backing_off == {"a": waits}
        assert result.wake_at == ended.finished_at + timedelta(seconds=waits)


def test_a_container_that_could_not_start_has_failed():
    broken = record("a", State.CREATED, error="no such file", ago=1)
    assert starts(look(pod("a"), S0, broken)) == [("a", 1)]
    assert look(pod("a", policy="Never"), S0, broken).finished


def test_one_that_was_only_created_is_started_under_its_own_number():
    left = record("a", State.CREATED, attempt=2, delay=20)
    assert [(s.attempt, s.restart_delay_seconds) for s in look(pod("a"), S0, left).start] == [
        (2, 20)
    ]


def test_a_failed_pull_is_waited_for():
    later = NOW + timedelta(seconds=7)
    result = look(pod("a", "b"), S0, not_before={"a": later})
    assert (starts(result), result.wake_at) == ([("b", 0)], later)


def test_a_failed_wiring_is_waited_for():
    later = NOW + timedelta(seconds=7)
    result = look(pod("a"), not_before={SANDBOX: later})
    assert (result.create_sandbox, result.wake_at) == (None, later)


class TestInit:
    POD = pod("a", init=("x", "y"))

    def test_one_after_the_other(self):
        assert starts(look(self.POD, S0)) == [("x", 0)]
        assert starts(look(self.POD, S0, record("x"))) == []
        done = record("x", State.EXITED)
        assert starts(look(self.POD, S0, done)) == [("y", 0)]
        assert starts(look(self.POD, S0, done, record("y", State.EXITED))) == [("a", 0)]

    def test_a_failure_is_retried(self):
        assert starts(look(self.POD, S0, record("x", State.EXITED, code=1))) == [("x", 1)]

    def test_a_failure_ends_a_pod_that_never_restarts(self):
        never = pod("a", init=("x",), policy="Never")
        result = look(never, S0, record("x", State.EXITED, code=1))
        assert (starts(result), result.finished) == ([], True)

    def test_a_running_main_container_proves_it_done(self):
        assert starts(look(self.POD, S0, record("a"))) == []

    def test_a_new_sandbox_means_all_over_again(self):
        new = record(SANDBOX, attempt=1)
        old = [
            record("x", State.EXITED),
            record("y", State.EXITED),
            record("a", State.EXITED, ago=20),
        ]
        assert starts(look(self.POD, new, *old)) == [("x", 1)]


class TestSidecar:
    POD = pod("a", init=("s+", "x"))

    def test_the_next_waits_until_it_has_started(self):
        assert starts(look(self.POD, S0)) == [("s", 0)]
        assert starts(look(self.POD, S0, record("s"), started=frozenset())) == []
        assert starts(look(self.POD, S0, record("s"))) == [("x", 0)]

    def test_it_is_restarted_beside_the_main_container(self):
        ended = record("s", State.EXITED, code=0)
        assert starts(look(self.POD, S0, ended, record("a"))) == [("s", 1)]

    def test_it_ends_after_the_others(self):
        over = pod("a", init=("s+",), policy="Never")
        ended = record("a", State.EXITED)
        assert look(over, S0, record("s"), ended).finished
        result = look(over, S0, record("s"), ended, finished=True)
        assert (kills(result), result.remove_sandboxes) == (["s"], [])

    @pytest.mark.parametrize(
        ("since", "main", "kills"),
        [
            (5.0, False, {"s2": 25}),
            (29.5, False, {"s2": 2}),
            (31.0, False, {"s1": 2, "s2": 2}),
            (31.0, True, {"m": 30, "s1": 2, "s2": 2}),
        ],
        ids=["what is left", "a moment at least", "nobody waits his turn", "nor for the others"],
    )
    def test_the_grace_period_is_the_whole_pods(self, since, main, kills):
        wanted = pod("m", init=("s1+", "s2+"))
        running = [record(name) for name in ("s1", "s2", *(["m"] if main else []))]
        found = look(
            wanted, record(SANDBOX), *running,
            stop=Stop(30), ends_since=NOW - timedelta(seconds=since),
        )  # fmt: skip
        assert {one.record.name: one.grace_seconds for one in found.kill if not one.held} == kills

    def test_deletion_ends_main_containers_first(self):
        result = look(self.POD, S0, record("s"), record("a"), stop=Stop(5))
        assert (kills(result), kills(result, held=True)) == (["a"], ["s"])
        result = look(self.POD, S0, record("s"), record("a", State.EXITED), stop=Stop(5))
        assert kills(result) == ["s"]


class TestProbes:
    def test_a_failing_container_is_killed_then_restarted(self):
        result = look(pod("a"), S0, record("a"), failing={"a-0": "liveness"})
        message = "Container a failed liveness probe, will be restarted"
        assert [(k.record.name, k.message) for k in result.kill] == [("a", message)]
        assert starts(result) == []

    @pytest.mark.parametrize(("why", "grace"), [("liveness", 3), ("startup", 4), ("postStart", 9)])
    def test_a_probes_own_grace_period_is_for_its_failure(self, why, grace):
        probes = {
            "livenessProbe": {"exec": {}, "terminationGracePeriodSeconds": 3},
            "startupProbe": {"exec": {}, "terminationGracePeriodSeconds": 4},
        }
        wanted = pod(containers=[{"name": "a", "image": "i", **probes}],
                     terminationGracePeriodSeconds=9)  # fmt: skip
        result = look(wanted, S0, record("a"), failing={"a-0": why})
        assert [k.grace_seconds for k in result.kill] == [grace]
        message = "FailedPostStartHook" if why == "postStart" else f"Container a failed {why} probe, will be restarted"  # fmt: skip
        assert result.kill[0].message == message

    def test_a_changed_image_replaces_the_container(self):
        old = record("a")
        same = replace(
            old, labels={**old.labels, names.SPEC_HASH: spec_hash(pod("a").spec.containers[0])}
        )
        other = replace(old, labels={**old.labels, names.SPEC_HASH: "0"})
        assert kills(look(pod("a"), S0, same)) == []
        assert kills(look(pod("a"), S0, other)) == ["a"]


class TestSandboxLost:
    GONE = record(SANDBOX, State.EXITED)

    def test_what_still_runs_is_ended_first(self):
        result = look(pod("a"), self.GONE, record("a"))
        assert (kills(result), result.create_sandbox, result.remove_sandboxes) == (["a"], None, [])

    def test_then_the_old_one_goes(self):
        result = look(pod("a"), self.GONE, record("a", State.EXITED, code=137, ago=10))
        assert ([r.id for r in result.remove_sandboxes], result.create_sandbox) == (["s0"], None)

    def test_then_a_new_one_comes(self):
        result = look(pod("a"), record("a", State.EXITED, code=137, ago=10))
        assert (result.create_sandbox, starts(result)) == (0, [])

    def test_a_pod_that_never_restarts_is_over(self):
        result = look(pod("a", policy="Never"), self.GONE, record("a", State.EXITED, code=137))
        assert (result.create_sandbox, result.finished) == (None, True)


class TestEnd:
    def test_running_containers_are_stopped_with_the_given_grace(self):
        result = look(pod("a", "b"), S0, record("a"), record("b"), stop=Stop(3))
        assert [(k.record.name, k.grace_seconds) for k in result.kill] == [("a", 3), ("b", 3)]
        assert (result.remove_sandboxes, result.stopped) == ([], False)

    def test_without_one_the_pods_own_counts(self):
        own = pod("a", terminationGracePeriodSeconds=7)
        assert look(own, S0, record("a"), stop=Stop()).kill[0].grace_seconds == 7
        assert look(pod("a"), S0, record("a"), stop=Stop()).kill[0].grace_seconds == 30

    def test_the_sandbox_goes_when_nothing_runs(self):
        result = look(pod("a"), S0, record("a", State.EXITED), stop=Stop())
        assert ([r.id for r in result.remove_sandboxes], result.stopped) == (["s0"], False)

    def test_what_is_being_started_is_awaited(self):
        result = look(pod("a"), S0, stop=Stop(), busy=frozenset({"a"}))
        assert (result.remove_sandboxes, result.stopped) == ([], False)

    def test_then_it_is_stopped(self):
        assert look(pod("a"), record("a", State.EXITED), stop=Stop()).stopped

    def test_a_finished_pod_keeps_its_containers_for_their_logs(self):
        result = look(pod("a", policy="Never"), record("a", State.EXITED), finished=True)
        assert (result.remove, starts(result), result.stopped) == ([], [], True)


def rule(action, *codes, operator="In"):
    return {"action": action, "exitCodes": {"operator": operator, "values": list(codes)}}


class TestRules:
    """Container-level policies and what exit codes say."""

    @pytest.mark.parametrize(
        ("own", "code", "again"),
        [
            ({"restartPolicy": "Always"}, 0, True),
            ({"restartPolicy": "OnFailure"}, 0, False),
            ({"restartPolicy": "Never"}, 1, False),
            ({"restartPolicy": "Never", "restartPolicyRules": [rule("Restart", 42)]}, 42, True),
            ({"restartPolicy": "Never", "restartPolicyRules": [rule("Restart", 42)]}, 41, False),
            ({"restartPolicy": "Never",
              "restartPolicyRules": [rule("Restart", 0, operator="NotIn")]}, 5, True),
        ],
    )  # fmt: skip
    def test_of_a_container_beat_the_pods(self, own, code, again):
        wanted = pod(containers=[{"name": "a", "image": "i", **own}], policy="Never")
        result = look(wanted, S0, record("a", State.EXITED, code=code))
        assert (bool(starts(result)), result.finished) == (again, not again)

    def test_of_an_init_container(self):
        init = {"name": "x", "image": "i", "restartPolicy": "Never",
                "restartPolicyRules": [rule("Restart", 3)]}  # fmt: skip
        wanted = pod("a", initContainers=[init], policy="Always")
        assert starts(look(wanted, S0, record("x", State.EXITED, code=3))) == [("x", 1)]
        assert look(wanted, S0, record("x", State.EXITED, code=4)).finished


class TestRestartAll:
    POD = pod(
        initContainers=[{"name": "x", "image": "i"}],
        containers=[
            {"name": "a", "image": "i", "restartPolicyRules": [rule("RestartAllContainers", 42)]},
            {"name": "b", "image": "i"},
        ],
        policy="Never",
    )
    INIT = record("x", State.EXITED, ago=200)
    SAID = record("a", State.EXITED, code=42)

    def test_what_runs_is_killed_at_once(self):
        result = look(self.POD, S0, self.INIT, self.SAID, record("b"))
        assert [(k.record.name, k.grace_seconds) for k in result.kill] == [("b", 0)]
        assert (starts(result), result.finished) == ([], False)

    def test_then_all_begins_with_the_init_containers(self):
        result = look(self.POD, S0, self.INIT, self.SAID, record("b", State.EXITED, code=137))
        assert [(s.container.name, s.attempt, s.round) for s in result.start] == [("x", 1, 1)]
        done = record("x", State.EXITED, attempt=1, round=1)
        result = look(self.POD, S0, self.INIT, done, self.SAID, record("b", State.EXITED, code=137))
        assert [(s.container.name, s.round) for s in result.start] == [("a", 1), ("b", 1)]

    def test_it_is_done_once(self):
        again = [record(n, attempt=1, round=1) for n in "ab"]
        old = [self.INIT, self.SAID, record("b", State.EXITED, code=42)]
        done = record("x", State.EXITED, attempt=1, round=1)
        result = look(self.POD, S0, *old, done, *again)
        assert (starts(result), kills(result)) == ([], [])

    def test_a_loop_backs_off(self):
        said = record("a", State.EXITED, code=42, ago=12, delay=20)
        result = look(self.POD, S0, self.INIT, said, record("b", State.EXITED, code=137))
        assert (starts(result), result.backing_off) == ([], {"x": 20})
        assert result.wake_at == NOW + timedelta(seconds=13)

    def test_a_new_failure_is_the_new_rounds_own(self):
        failed = record("x", State.EXITED, attempt=1, round=1, code=1)
        result = look(
            self.POD, S0, self.INIT, failed, self.SAID, record("b", State.EXITED, code=137)
        )
        assert result.finished


def test_a_container_that_the_engine_lost_keeps_its_count():
    assert starts(look(pod("a"), S0, ran={"a": 2})) == [("a", 3)]


def test_old_attempts_go_but_for_one():
    records = [record("a", State.EXITED, attempt=n, code=1) for n in range(4)]
    result = look(pod("a"), S0, *records, record("a", attempt=4))
    assert sorted(r.id for r in result.remove) == ["a-0", "a-1", "a-2"]


_RECORDS = st.lists(
    st.builds(
        record,
        st.sampled_from(["a", "b", "x", "s", SANDBOX]),
        st.sampled_from(list(State)),
        attempt=st.integers(0, 3),
        code=st.sampled_from([0, 1, 137]),
        ago=st.floats(1, 1000),
        sandbox=st.sampled_from(["s0", "s1", "s2", "s3"]),
        delay=st.sampled_from([0, 10, 300]),
    ),
    max_size=8,
    unique_by=lambda r: r.id,
)


@settings(max_examples=300, deadline=None)
@given(
    records=_RECORDS,
    policy=st.sampled_from(["Always", "OnFailure", "Never"]),
    finished=st.booleans(),
    stop=st.sampled_from([None, Stop(), Stop(0)]),
    busy=st.frozensets(st.sampled_from(["a", "x", SANDBOX])),
)
def test_never_unsafe(records, policy, finished, stop, busy):
    wanted = pod("a", "b", init=("x", "s+"), policy=policy)
    observed = observe(records)
    result = plan(Situation(wanted, observed, NOW, finished=finished, stop=stop, busy=busy))
    running = {r.name for r in observed.running()}
    begun = [s.container.name for s in result.start]
    if finished or stop:
        assert not begun
        assert result.create_sandbox is None
    assert not busy & set(begun), "work under way is never begun again"
    assert len(begun) == len(set(begun))
    assert not begun or observed.sandbox is not None, "containers start in a running sandbox only"
    assert not (result.create_sandbox is not None and (running or observed.sandboxes))
    if result.stopped:
        assert not running
        assert not observed.sandboxes
    in_use = {r.sandbox_id for r in observed.running()}
    lost = {s.id for s in result.remove_sandboxes if s.state is State.RUNNING}
    assert not in_use & lost, "a sandbox outlives its containers"
