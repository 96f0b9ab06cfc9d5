"""When a node stops its pods of StatefulSets by itself, and what survives a restart of the kubelet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelet.node import fencing
from kubelet.node.fencing import NEVER, Fencing, Promise, after_restart, is_overdue
from wherry.api.core_v1 import Pod
from wherry.daemon.clock import FakeClock

SECONDS = st.floats(0, 10_000, allow_nan=False)
UIDS = st.frozensets(st.text("abc", min_size=1, max_size=3), max_size=3)


def pod(kind: str, *, controller: bool = True) -> Pod:
    owner = {"kind": kind, "name": "o", "uid": "u", "apiVersion": "apps/v1"}
    return Pod.from_wire({"metadata": {"ownerReferences": [{**owner, "controller": controller}]}})


def test_only_pods_of_stateful_sets() -> None:
    assert fencing.concerns(pod("StatefulSet"))
    assert not fencing.concerns(pod("StatefulSet", controller=False))
    assert not fencing.concerns(pod("ReplicaSet"))
    assert not fencing.concerns(Pod())


def test_the_grace_is_never_longer_than_the_controllers_wait_for() -> None:
    assert fencing.grace_of(Pod.from_wire({"spec": {"terminationGracePeriodSeconds": 7}})) == 7
    assert fencing.grace_of(Pod()) == 30


@given(kept=st.builds(Promise, st.sampled_from(("a", "b")), SECONDS, UIDS), now=SECONDS)
def test_a_restart_never_lengthens_a_promise(kept: Promise, now: float) -> None:
    begun = after_restart(kept, "a", now, corrupt=False)
    assert begun.boot == "a"
    if kept.boot == "a":
        assert begun.asked_at <= kept.asked_at
        assert begun.pods == kept.pods
    else:
        assert begun == Promise("a", now), "nothing of another boot runs"


@given(after=st.floats(1, 1000), now=SECONDS)
def test_a_file_that_can_not_be_read_means_the_worst(after: float, now: float) -> None:
    assert is_overdue(after_restart(None, "a", now, corrupt=True).asked_at, after, now)
    assert not is_overdue(after_restart(None, "a", now, corrupt=False).asked_at, after, now)


class Here:
    """The pods that are here, and what was told to stop."""

    def __init__(self) -> None:
        self.pods: set[str] | None = None
        self.stopped: list[frozenset[str]] = []

    def stop(self, uids: frozenset[str], message: str) -> None:
        self.stopped.append(uids)


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = [1000.0]
    monkeypatch.setattr(fencing, "boottime", lambda: now[0])

    def set_to(seconds: float) -> None:
        now[0] = seconds

    return set_to


def make(path: Path, here: Here, after: float = 20.0) -> Fencing:
    return Fencing(
        after, path, FakeClock(), pods=lambda: here.pods, stop=here.stop, say=lambda *_: None
    )


def test_it_begins_with_the_first_second_and_survives_a_restart(
    tmp_path: Path, moment: Callable[[float], None]
) -> None:
    path, here = tmp_path / "fencing.json", Here()
    first = make(path, here)
    assert not first.is_overdue
    moment(1019.0)
    assert not make(path, here).is_overdue, "a restart does not begin anew ..."
    moment(1020.5)
    assert make(path, here).is_overdue, "... and does not forget either"
    assert first.is_overdue
    first.renewed(1020.0)
    assert not first.is_overdue
    moment(1040.0)
    assert first.is_overdue


def test_without_the_flag_nothing_is_promised_and_nothing_kept(
    tmp_path: Path, moment: Callable[[float], None]
) -> None:
    path, here = tmp_path / "fencing.json", Here()
    make(path, here)
    assert path.exists()
    without = make(path, here, after=0.0)
    moment(9000.0)
    assert not without.is_overdue
    assert not path.exists()


async def test_pods_a_predecessor_knew_of_are_stopped_without_an_api_server(
    tmp_path: Path, moment: Callable[[float], None]
) -> None:
    path, here = tmp_path / "fencing.json", Here()
    here.pods = {"one"}
    make(path, here)
    here.pods = None  # nobody was asked yet
    moment(1021.0)
    clock = FakeClock()
    second = Fencing(20.0, path, clock, pods=lambda: here.pods, stop=here.stop, say=lambda *_: None)
    with pytest.raises(Stopped):
        await _until_stopped(second, here)
    assert here.stopped == [frozenset({"one"})]


class Stopped(Exception):
    pass


async def _until_stopped(fences: Fencing, here: Here) -> None:
    plain = here.stop

    def stop(uids: frozenset[str], message: str) -> None:
        plain(uids, message)
        raise Stopped

    fences._stop = stop
    await fences.run()


def test_a_corrupt_file_is_set_aside_and_the_node_is_fenced(
    tmp_path: Path, moment: Callable[[float], None]
) -> None:
    path, here = tmp_path / "fencing.json", Here()
    path.write_text('{"boot": 7}')
    fences = make(path, here)
    assert fences.is_overdue
    assert fences._asked_at == NEVER
    fences.renewed(999.0)
    assert not fences.is_overdue
