"""Which run of a container is meant."""

from datetime import UTC, datetime, timedelta

import pytest

from kubelet.runtime import labels
from kubelet.runtime.protocol import ContainerRecord, State
from kubelet.server.containers import Refusal, check_declared, for_exec, for_logs
from wherry.api.core_v1 import Pod

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def run(attempt, state=State.RUNNING, *, began=True, name="c", kind=labels.TYPE_CONTAINER):
    at = NOW + timedelta(minutes=attempt)
    return ContainerRecord(
        f"{name}-{attempt}",
        state,
        at,
        started_at=at if began else None,
        labels={
            labels.CONTAINER_NAME: name, labels.ATTEMPT: str(attempt), labels.TYPE: kind,
        },
    )  # fmt: skip


def pod(**state):
    status = {"containerStatuses": [{"name": "c", "state": state}]} if state else {}
    return Pod.from_wire(
        {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}, "status": status}
    )


WAITS = {"waiting": {"reason": "CrashLoopBackOff"}}


@pytest.mark.parametrize(
    ("state", "runs", "previous", "expected"),
    [
        pytest.param({}, [run(0), run(0, name="other")], False, "c-0", id="the only run"),
        pytest.param({}, [run(0, State.EXITED), run(1)], False, "c-1", id="newest"),
        pytest.param({}, [run(0, State.EXITED), run(1)], True, "c-0", id="previous"),
        pytest.param(
            {}, [run(0, State.EXITED), run(1, State.CREATED, began=False)], False, "c-0",
            id="newest that began",
        ),
        pytest.param(WAITS, [run(0, State.EXITED)], True, "c-0", id="previous while waiting"),
        pytest.param(WAITS, [run(0, State.EXITED)], False, "c-0", id="current while waiting"),
    ],
)  # fmt: skip
def test_logs(state, runs, previous, expected):
    assert for_logs(pod(**state), "c", runs, previous=previous).id == expected


@pytest.mark.parametrize(
    ("state", "previous", "message"),
    [
        pytest.param(
            {}, True, 'previous terminated container "c" in pod "p" not found', id="no previous"
        ),
        pytest.param({}, False, 'container "c" in pod "p" is not available', id="no status"),
        pytest.param(
            {"waiting": {"reason": "ContainerCreating"}},
            False,
            'container "c" in pod "p" is waiting to start: ContainerCreating',
            id="creating",
        ),
        pytest.param(
            {"waiting": {"reason": "ImagePullBackOff"}},
            False,
            'container "c" in pod "p" is waiting to start: trying and failing to pull image',
            id="no image",
        ),
    ],
)
def test_logs_refused(state, previous, message):
    with pytest.raises(Refusal) as caught:
        for_logs(pod(**state), "c", [], previous=previous)
    assert (caught.value.code, caught.value.message) == (400, message)


def test_exec_needs_a_running_container():
    assert for_exec("c", [run(0, State.EXITED), run(1)]).id == "c-1"
    with pytest.raises(Refusal, match=r'container not found \("c"\)'):
        for_exec("c", [run(0, State.EXITED), run(1, kind=labels.TYPE_SANDBOX)])


def test_an_undeclared_container():
    with pytest.raises(Refusal, match='container "x" not found in pod "p"'):
        check_declared(pod(), "x")
