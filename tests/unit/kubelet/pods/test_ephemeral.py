"""Ephemeral containers: run once beside the others, never ready, never again."""

import pytest

from kubelet.pods import containers
from kubelet.pods.plan import SANDBOX
from kubelet.runtime.protocol import State
from tests.unit.kubelet.pods.test_plan import S0, kills, look, pod, record, starts
from tests.unit.kubelet.pods.test_status import SANDBOX as STATUS_SANDBOX
from tests.unit.kubelet.pods.test_status import record as status_record
from tests.unit.kubelet.pods.test_status import status

DEBUGGER = {"name": "d", "image": "i", "targetContainerName": "a"}


def debugged(*names, **spec):
    return pod(*names, ephemeralContainers=[DEBUGGER], **spec)


def test_it_starts_beside_what_runs():
    assert starts(look(debugged("a"), S0, record("a"))) == [("d", 0)]


def test_it_starts_while_init_containers_run():
    assert starts(look(debugged("a", init=("x",)), S0, record("x"))) == [("d", 0)]


def test_it_waits_for_a_sandbox():
    result = look(debugged("a"))
    assert (result.create_sandbox, starts(result)) == (0, [])


@pytest.mark.parametrize(
    "before",
    [
        record("d"),
        record("d", State.EXITED, code=1),
        record("d", State.EXITED, sandbox="older"),
        record("d", State.CREATED, error="no such file"),
    ],
    ids=["runs", "ended", "ended-in-another-sandbox", "could-not-start"],
)
def test_it_runs_once(before):
    assert starts(look(debugged("a"), S0, record("a"), before)) == []


def test_one_that_was_only_created_starts():
    result = look(debugged("a"), S0, record("a"), record("d", State.CREATED))
    assert starts(result) == [("d", 0)]


def test_a_pod_ends_without_it():
    ended = record("a", State.EXITED)
    result = look(debugged("a", policy="Never"), S0, ended, record("d"))
    assert result.finished
    assert kills(look(debugged("a", policy="Never"), S0, ended, record("d"), finished=True)) == [
        "d"
    ]


def test_its_status_stands_apart():
    wanted = debugged("a")
    found = status(wanted, STATUS_SANDBOX, status_record("a"), status_record("d"))
    [one] = found.ephemeral_container_statuses
    assert (one.name, one.ready, one.started, one.restart_count) == ("d", False, None, 0)
    assert one.state.running is not None
    assert [c.name for c in found.container_statuses] == ["a"]
    assert all(c.status == "True" for c in found.conditions)


def test_waiting_for_its_start():
    [one] = status(debugged("a"), STATUS_SANDBOX).ephemeral_container_statuses
    assert one.state.waiting.reason == "ContainerCreating"


def test_names():
    wanted = debugged("a", init=("x",))
    assert containers.target_of(wanted, "d") == "a"
    assert containers.target_of(wanted, "a") == ""
    assert [c.name for c in containers.everyone(wanted)] == ["x", "a", "d"]
    assert [containers.field_path(wanted, name) for name in ("x", "a", "d")] == [
        "spec.initContainers{x}", "spec.containers{a}", "spec.ephemeralContainers{d}",
    ]  # fmt: skip
    assert SANDBOX not in {c.name for c in containers.everyone(wanted)}
