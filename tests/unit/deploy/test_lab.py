"""More flags for a lab's daemons, and which processes are a machine's."""

import pytest

from deploy.lab import _tuned
from deploy.lab_commands import _flags
from deploy.power import _with_descendants
from deploy.preflight import Problem
from deploy.spec import Daemon


def test_flags_of_every_machines_daemon_and_of_one_come_last_in_this_order() -> None:
    flags = {"node1/kubelet": ("--v=4",), "kubelet": ("--v=2", "--x=y")}
    first, second, other = (
        _tuned(Daemon(name, ("run",), "/l"), flags)
        for name in ("node1/kubelet", "node2/kubelet", "node1/proxy")
    )
    assert first.command == ("run", "--v=2", "--x=y", "--v=4")
    assert second.command == ("run", "--v=2", "--x=y")
    assert other.command == ("run",)


def test_flags_on_the_command_line() -> None:
    words = ["kubelet=--v=4", "node1/kubelet=--a", "kubelet=--b=c=d"]
    assert _flags(words) == {"kubelet": ("--v=4", "--b=c=d"), "node1/kubelet": ("--a",)}
    with pytest.raises(Problem, match="--flag kubelet"):
        _flags(["kubelet"])


def test_a_machines_processes_are_followed_to_the_last_child() -> None:
    parents = {2: 1, 3: 2, 4: 3, 5: 1, 6: 5}
    assert _with_descendants({2}, parents) == {2, 3, 4}
    assert _with_descendants(set(), parents) == set()
