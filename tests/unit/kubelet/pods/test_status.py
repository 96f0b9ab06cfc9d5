"""A pod's status for what is known of its containers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kubelet.pods.observed import observe
from kubelet.pods.publisher import is_minor, patch
from kubelet.pods.status import View, Waiting, compute
from kubelet.runtime import labels as names
from kubelet.runtime.labels import Identity
from kubelet.runtime.protocol import ContainerRecord, State
from wherry.api.core_v1 import Pod, PodStatus

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(minutes=1)


def pod(*containers, init=(), policy="Always", **spec):
    return Pod.from_wire(
        {
            "metadata": {"name": "p", "namespace": "d", "uid": "u", "generation": 2},
            "spec": {
                "restartPolicy": policy,
                "containers": [{"name": name, "image": "i"} for name in containers],
                "initContainers": [{"name": name, "image": "i"} for name in init],
                **spec,
            },
        }
    )


def record(name, state=State.RUNNING, *, attempt=0, code=0, **changes):
    labels = Identity("u", "p", "d", name, attempt).labels("n") | {names.SANDBOX: "s"}
    return ContainerRecord(
        id=f"{name}{attempt}", state=state, created_at=EARLIER, started_at=EARLIER,
        finished_at=NOW if state is State.EXITED else None, exit_code=code, image="i:latest",
        image_id="sha256:1", labels=labels, **changes,
    )  # fmt: skip


SANDBOX = record("POD")


def status(wanted, *records, **view):
    observed = observe(records)
    defaults = {
        "previous": PodStatus(),
        "node_ip": "10.0.0.1",
        "pod_ips": ("10.244.0.5",) if observed.sandbox else (),
        "started": frozenset(r.name for r in observed.running()),
        "ready": frozenset(r.id for r in observed.running()),
        "images": {"sha256:1": "docker://sha256:1"},
    }
    return compute(View(pod=wanted, observed=observed, now=NOW, **(defaults | view)))


def condition(of, type):
    return next(c for c in of.conditions if c.type == type)


def test_a_pod_just_seen():
    found = status(pod("a"))
    assert (found.phase, found.start_time, found.host_ip) == ("Pending", NOW, "10.0.0.1")
    assert found.container_statuses[0].state.waiting.reason == "ContainerCreating"
    assert {c.type: c.status for c in found.conditions} == {
        "PodReadyToStartContainers": "False",
        "Initialized": "True",
        "Ready": "False",
        "ContainersReady": "False",
        "PodScheduled": "True",
    }
    assert condition(found, "Ready").message == "containers with unready status: [a]"
    assert found.observed_generation == 2


def test_a_running_pod():
    found = status(pod("a"), SANDBOX, record("a"))
    one = found.container_statuses[0]
    assert (found.phase, found.pod_ip, found.pod_ips[0].ip) == (
        "Running",
        "10.244.0.5",
        "10.244.0.5",
    )
    assert (one.ready, one.started, one.restart_count) == (True, True, 0)
    assert (one.container_id, one.image, one.image_id) == (
        "docker://a0",
        "i:latest",
        "docker://sha256:1",
    )
    assert one.state.running.started_at == EARLIER
    assert all(c.status == "True" for c in found.conditions)


def test_started_but_not_ready():
    found = status(pod("a"), SANDBOX, record("a"), ready=frozenset())
    assert (found.phase, found.container_statuses[0].started) == ("Running", True)
    assert condition(found, "Ready").reason == "ContainersNotReady"


def test_a_container_waits_until_its_post_start_hook_has_ended():
    hooked = {"in_hook": frozenset({"a0"}), "started": frozenset(), "ready": frozenset({"a0"})}
    found = status(pod("a"), SANDBOX, record("a"), **hooked)
    one = found.container_statuses[0]
    assert (found.phase, one.state.waiting.reason) == ("Pending", "ContainerCreating")
    assert (one.ready, one.started) == (False, False)
    ended, again = record("a", State.EXITED, code=3), record("a", attempt=1)
    hooked = {**hooked, "in_hook": frozenset({"a1"})}
    found = status(pod("a"), SANDBOX, ended, again, **hooked)
    one = found.container_statuses[0]
    assert (found.phase, one.last_state.terminated.exit_code) == ("Running", 3)
    assert one.state.waiting.reason == "ContainerCreating"


def test_times_move_only_with_the_status():
    before = status(pod("a"), SANDBOX)
    before = before.with_(
        conditions=[c.with_(last_transition_time=EARLIER) for c in before.conditions],
        start_time=EARLIER,
    )
    after = status(pod("a"), SANDBOX, record("a"), previous=before)
    assert condition(after, "Ready").last_transition_time == NOW
    assert condition(after, "PodScheduled").last_transition_time == EARLIER
    assert after.start_time == EARLIER


@pytest.mark.parametrize(
    ("policy", "codes", "phase"),
    [
        ("Never", (0, 0), "Succeeded"),
        ("Never", (0, 3), "Failed"),
        ("OnFailure", (0, 0), "Succeeded"),
    ],
)
def test_a_finished_pod(policy, codes, phase):
    ended = [record(n, State.EXITED, code=c) for n, c in zip("ab", codes, strict=True)]
    found = status(pod("a", "b", policy=policy), *ended, finished=True)
    assert found.phase == phase
    assert (
        condition(found, "Ready").reason
        == {"Succeeded": "PodCompleted", "Failed": "PodFailed"}[phase]
    )
    assert found.container_statuses[1].state.terminated.exit_code == codes[1]


@pytest.mark.parametrize("code", [0, None])
def test_what_never_ran_of_a_pod_that_ends(code):
    """A container whose turn had come counts as lost, one whose turn had not still waits."""
    wanted = pod("a", init=["i"])
    first = record("i", State.EXITED, code=code) if code is not None else record("i")
    before = status(wanted, SANDBOX, first, waiting={"a": Waiting("ImagePullBackOff")})
    found = status(
        wanted, record("i", State.EXITED, code=code or 1), finished=True, previous=before
    )
    last = found.container_statuses[0].state
    if code == 0:
        assert (last.terminated.reason, last.terminated.exit_code) == (
            "ContainerStatusUnknown",
            137,
        )
    else:
        assert last.waiting.reason == "ImagePullBackOff"
    assert found.phase == "Failed"


def test_a_pod_is_not_finished_before_its_sidecars_have_ended():
    sidecar = {"name": "s", "image": "i", "restartPolicy": "Always"}
    wanted = pod("a", policy="Never", initContainers=[sidecar])
    begun = status(wanted, SANDBOX, record("s"), record("a"), started={"s"})
    ended = record("a", State.EXITED)
    found = status(wanted, SANDBOX, record("s"), ended, finished=True, previous=begun)
    assert found.phase == "Running"
    last = status(wanted, record("s", State.EXITED), ended, finished=True, previous=found)
    assert last.phase == "Succeeded"


def test_a_terminal_phase_never_changes():
    found = status(pod("a"), SANDBOX, record("a"), previous=PodStatus(phase="Failed"))
    assert found.phase == "Failed"


def test_a_crash_loop():
    ended = record("a", State.EXITED, attempt=3, code=2)
    one = status(
        pod("a"), SANDBOX, ended, backing_off={"a": 80}, messages={"a3": "boom"}
    ).container_statuses[0]
    assert one.state.waiting.reason == "CrashLoopBackOff"
    assert one.state.waiting.message == "back-off 1m20s restarting failed container=a pod=p_d(u)"
    last = one.last_state.terminated
    assert (last.exit_code, last.reason, last.message, last.container_id) == (
        2,
        "Error",
        "boom",
        "docker://a3",
    )
    assert one.restart_count == 3


@pytest.mark.parametrize(
    ("changes", "reason", "code"),
    [
        ({"code": 0}, "Completed", 0),
        ({"code": 1}, "Error", 1),
        ({"code": 137, "oom_killed": True}, "OOMKilled", 137),
    ],
    ids=["completed", "error", "oom"],
)
def test_terminated_reasons(changes, reason, code):
    found = status(pod("a", policy="Never"), record("a", State.EXITED, **changes), finished=True)
    ended = found.container_statuses[0].state.terminated
    assert (ended.reason, ended.exit_code) == (reason, code)


def test_one_that_could_not_start():
    broken = record("a", State.CREATED, error="no such file")
    one = status(pod("a"), SANDBOX, replace(broken, started_at=None)).container_statuses[0]
    assert (one.state.waiting.reason, one.state.waiting.message) == (
        "RunContainerError",
        "no such file",
    )
    assert (one.last_state.terminated.reason, one.last_state.terminated.exit_code) == (
        "StartError",
        128,
    )


def test_a_missing_image():
    waiting = {"a": Waiting("ErrImagePull", "no such image")}
    found = status(pod("a"), SANDBOX, waiting=waiting)
    assert (found.phase, found.container_statuses[0].state.waiting.reason) == (
        "Pending",
        "ErrImagePull",
    )


def test_initialization():
    wanted = pod("a", init=("x",))
    found = status(wanted, SANDBOX, record("x"))
    assert found.phase == "Pending"
    assert condition(found, "Initialized").message == "containers with incomplete status: [x]"
    assert found.container_statuses[0].state.waiting.reason == "PodInitializing"
    found = status(wanted, SANDBOX, record("x", State.EXITED), record("a"))
    assert (found.phase, condition(found, "Initialized").status) == ("Running", "True")
    assert found.init_container_statuses[0].ready


def test_a_rejected_pod():
    found = status(pod("a"), forced=("Failed", "OutOfcpu", "Pod was rejected: too much"))
    assert (found.phase, found.reason, found.container_statuses) == ("Failed", "OutOfcpu", [])


def test_an_evicted_pod_has_failed_when_its_last_container_has_ended():
    """Whoever replaces what failed (a StatefulSet) must not find the old one still running."""
    forced = ("Failed", "Evicted", "the node was low on memory")
    ending = status(pod("a", "b"), record("a"), record("b", State.EXITED), forced=forced)
    assert (ending.phase, ending.reason) == ("Running", "")
    assert condition(ending, "DisruptionTarget").status == "True"
    ended = status(
        pod("a", "b"), record("a", State.EXITED), record("b", State.EXITED), forced=forced
    )
    assert (ended.phase, ended.reason, ended.message) == forced


def test_readiness_gates():
    gated = pod("a", readinessGates=[{"conditionType": "x/y"}])
    found = status(gated, SANDBOX, record("a"))
    assert condition(found, "ContainersReady").status == "True"
    assert condition(found, "Ready").reason == "ReadinessGatesNotReady"


def test_the_patch_names_what_vanished():
    old = PodStatus.from_wire({"phase": "Pending", "reason": "x", "podIPs": [{"ip": "1.1.1.1"}]})
    ready = {"type": "Ready", "status": "True"}
    new = PodStatus.from_wire(
        {"phase": "Running", "podIPs": [{"ip": "2.2.2.2"}], "conditions": [ready]}
    )
    assert patch("u", new.to_wire(), old.to_wire()) == {
        "metadata": {"uid": "u"},
        "status": {
            "phase": "Running",
            "reason": None,
            "podIPs": [{"ip": "2.2.2.2"}, {"$patch": "replace"}],
            "conditions": [{"type": "Ready", "status": "True", "reason": None, "message": None}],
        },
    }


def test_what_may_wait_a_moment():
    new = status(pod("a")).to_wire()
    wired = status(pod("a"), SANDBOX).to_wire()
    assert is_minor(wired, new), "an address"
    assert not is_minor(new, {}), "the first word"
    assert not is_minor(status(pod("a"), SANDBOX, record("a")).to_wire(), wired)
    unready = status(pod("a"), SANDBOX, record("a"), ready=frozenset()).to_wire()
    assert not is_minor(unready, status(pod("a"), SANDBOX, record("a")).to_wire())


def test_a_container_that_the_engine_lost_is_told_of():
    before = status(pod("a"), SANDBOX, record("a", attempt=3))
    after = status(pod("a"), SANDBOX, previous=before)
    one = after.container_statuses[0]
    assert (one.restart_count, one.state.waiting.reason) == (3, "ContainerCreating")
    ended = one.last_state.terminated
    assert (ended.reason, ended.exit_code) == ("ContainerStatusUnknown", 137)
    assert after.phase == "Running"
    assert status(pod("a"), SANDBOX, previous=after).container_statuses[0] == one
    again = status(pod("a"), SANDBOX, record("a", attempt=4), previous=after)
    assert again.container_statuses[0].last_state.terminated == ended
    once_more = status(pod("a"), SANDBOX, record("a", attempt=4), previous=again)
    assert once_more.container_statuses[0].last_state.terminated == ended


def test_all_messages_together_are_bounded():
    many = [f"c{n}" for n in range(6)]
    ended = [record(name, State.EXITED) for name in many]
    found = status(
        pod(*many, policy="Never"), *ended, finished=True,
        messages={r.id: "ä" * 2000 for r in ended},
    )  # fmt: skip
    lengths = [len(c.state.terminated.message.encode()) for c in found.container_statuses]
    assert lengths == [2048] * 6


class TestRestartAll:
    RULE = {"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [7]}}
    POD = pod(
        "b", initContainers=[{"name": "x", "image": "i"}],
        containers=[{"name": "a", "image": "i", "restartPolicyRules": [RULE]},
                    {"name": "b", "image": "i"}],
    )  # fmt: skip
    INIT = record("x", State.EXITED)

    def test_pods_without_such_a_rule_have_no_such_condition(self):
        found = status(pod("a"), SANDBOX, record("a"))
        assert "AllContainersRestarting" not in {c.type for c in found.conditions}

    def test_it_holds_until_the_next_round_begins(self):
        found = status(self.POD, SANDBOX, self.INIT, record("a"), record("b"))
        assert condition(found, "AllContainersRestarting").status == "False"
        ended = record("a", State.EXITED, code=7)
        found = status(self.POD, SANDBOX, self.INIT, ended, record("b"))
        told = condition(found, "AllContainersRestarting")
        assert (told.status, told.reason) == ("True", "ContainerExited")
        assert told.message == "Container a exited with code 7, triggering pod restart"
        states = [c.state for c in found.container_statuses]
        assert states[0].waiting.reason == "RestartingAllContainers"
        assert found.container_statuses[0].last_state.terminated.exit_code == 7
        assert states[1].running is not None
        fresh = record("x", attempt=1)
        fresh = replace(fresh, labels={**fresh.labels, names.ROUND: "1"})
        found = status(self.POD, SANDBOX, self.INIT, fresh, ended, record("b", State.EXITED))
        assert condition(found, "AllContainersRestarting").status == "False"
        assert found.phase == "Pending"
        assert condition(found, "Initialized").status == "True"


def test_what_was_said_of_memory_stays_when_the_engine_does_not_say_it():
    ended = record("a", State.EXITED, code=137, oom_killed=True)
    before = status(pod("a", policy="Never"), SANDBOX, ended, finished=True)
    after = status(
        pod("a", policy="Never"), SANDBOX, replace(ended, oom_killed=False), finished=True,
        previous=before,
    )  # fmt: skip
    assert after.container_statuses[0].state.terminated.reason == "OOMKilled"
