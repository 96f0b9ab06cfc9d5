"""Control groups of pods that have gone: found by name and age, and only if empty."""

import os
import shutil
import subprocess

import pytest

from kubelet import cgroup_fs
from kubelet.pods import cgroups, groups
from kubelet.pods.cgroups import NodeFacts

NODE = NodeFacts(memory_bytes=1, hostname="n", cgroup_root="/lab")
OLD, NEW = "1" * 8 + "-1111-4111-8111-" + "1" * 12, "2" * 8 + "-1111-4111-8111-" + "2" * 12
NOW = 1_000_000.0


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(cgroup_fs, "ROOT", tmp_path)
    for function in (
        cgroup_fs.folders, cgroup_fs.stale, cgroup_fs.remove, cgroup_fs.kill_unborn,
    ):  # fmt: skip
        monkeypatch.setattr(function, "__defaults__", (tmp_path,))
    return tmp_path


def make(root, level, uid, age):
    for controller in ("cpu", "memory"):
        folder = root / controller / "lab/kubepods" / level / f"pod{uid}"
        folder.mkdir(parents=True)
        os.utime(folder, (NOW - age, NOW - age))
    return folder


def test_old_ones_without_a_pod_go(root):
    old, new = make(root, "burstable", OLD, 100), make(root, "", NEW, 10)
    assert groups.sweep(NODE, {OLD}, NOW) == []
    assert groups.sweep(NODE, (), NOW) == [OLD]
    assert not old.exists()
    assert new.exists()
    assert (root / "cpu/lab/kubepods/burstable").exists()


def test_a_busy_one_stays(root):
    busy = make(root, "besteffort", OLD, 100)
    (busy / "file").write_text("rmdir fails, as it does where processes are")
    assert groups.sweep(NODE, (), NOW) == []
    assert busy.exists()


def test_what_is_left_in_a_group_is_killed(root):
    folder = make(root, "", OLD, 0) / "container"
    folder.mkdir()
    left = subprocess.Popen(["sleep", "100"])
    (folder / "cgroup.procs").write_text(f"{left.pid}\n")
    assert cgroup_fs.kill(f"/lab/kubepods/pod{OLD}", root) == 1
    assert left.wait(timeout=30) == -9
    assert cgroup_fs.kill("/lab/kubepods/podnone", root) == 0


def test_what_a_killed_engine_had_begun_is_killed_when_it_is_old(root):
    folder = make(root, "", OLD, 100)
    half_made = root / "runc:[2:INIT]"
    shutil.copy(shutil.which("sleep"), half_made)
    unborn = subprocess.Popen([half_made, "100"])
    alive = subprocess.Popen(["sleep", "100"])
    try:
        (folder / "cgroup.procs").write_text(f"{unborn.pid}\n{alive.pid}\n")
        group = f"/lab/kubepods/pod{OLD}"
        assert cgroup_fs.kill_unborn(group, 60.0, root) == 0, "it is young"
        assert cgroup_fs.kill_unborn(group, -1.0, root) == 1
        assert unborn.wait(timeout=30) == -9
        assert alive.poll() is None
    finally:
        for process in (unborn, alive):
            process.kill()
            process.wait()


@pytest.mark.parametrize("driver", ["cgroupfs", "systemd"])
def test_names(driver):
    node = NodeFacts(memory_bytes=1, hostname="n", cgroup_driver=driver)
    found = cgroups.possible(OLD, node)
    assert len(set(found)) == 3
    assert {cgroups.uid_of(one.rpartition("/")[2]) for one in found} == {OLD}
    assert cgroups.uid_of("burstable") == cgroups.uid_of("podium") == ""
    assert cgroups.uid_of("pod" + "a" * 32) == "a" * 32  # a static pod's
