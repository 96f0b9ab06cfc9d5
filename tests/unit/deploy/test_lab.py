"""More flags for a lab's daemons, and which processes are a machine's."""

from pathlib import Path

import pytest

from deploy.lab import Lab, Shape, _tuned, wanted
from deploy.lab_commands import _flags
from deploy.netns import Wires
from deploy.power import _with_descendants
from deploy.preflight import Problem
from deploy.remembered import Words
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


def test_a_lab_that_is_there_is_asked_for_without_words(tmp_path: Path) -> None:
    fresh = wanted(tmp_path, Words(), nodes=3, subnets=None, standby=None)
    assert fresh == Shape(3)
    lab = Lab(
        tmp_path, Wires("abcdef", "172.31.250.0/24", fresh.names), fresh.standby, fresh.network
    )
    lab.write()
    assert wanted(tmp_path, Words(), nodes=None, subnets=None, standby=None) == fresh
    for words, counts, cause in (
        (Words(), {"nodes": 2}, "--nodes 2: the cluster was begun with 3"),
        (
            Words(dual_stack=True),
            {},
            "--dual-stack: the cluster was begun with pods in 10.244.0.0/16",
        ),
    ):
        with pytest.raises(Problem) as caught:
            wanted(tmp_path, words, **counts)
        assert cause in caught.value.cause
        assert caught.value.fix.endswith(f"wherry lab down --dir {tmp_path}")


def test_flags_on_the_command_line() -> None:
    words = ["kubelet=--v=4", "node1/kubelet=--a", "kubelet=--b=c=d"]
    assert _flags(words) == {"kubelet": ("--v=4", "--b=c=d"), "node1/kubelet": ("--a",)}
    with pytest.raises(Problem, match="--flag kubelet"):
        _flags(["kubelet"])


def test_a_machines_processes_are_followed_to_the_last_child() -> None:
    parents = {2: 1, 3: 2, 4: 3, 5: 1, 6: 5}
    assert _with_descendants({2}, parents) == {2, 3, 4}
    assert _with_descendants(set(), parents) == set()
