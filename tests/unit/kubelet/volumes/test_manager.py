"""The volume manager on a real disk (and real mounts, which need root)."""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kubelet.runtime.memory import MemoryRuntime
from kubelet.volumes import linux, subpath
from kubelet.volumes.images import ImageVolumes
from kubelet.volumes.interface import Device, Token, VolumeError
from kubelet.volumes.manager import VolumeManager
from wherry.api.core_v1 import ConfigMap, Container, Pod
from wherry.daemon.clock import FakeClock

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


class Objects:
    """ConfigMaps and Secrets in a dict."""

    def __init__(self, **data):
        self.data = {name: ConfigMap.from_wire({"data": keys}) for name, keys in data.items()}

    async def config_map(self, namespace, name):
        return self.data.get(name)

    async def secret(self, namespace, name):
        return None

    def node(self):
        return None


class Tokens:
    async def token(self, pod, audience, expiration_seconds):
        return Token("tkn", datetime(2030, 1, 1, tzinfo=UTC))

    def forget(self, pod_uid):
        return None


@pytest.fixture
async def manager(tmp_path):
    made = VolumeManager(
        tmp_path,
        Objects(cfg={"a": "1"}),
        Tokens(),
        FakeClock(),
        ImageVolumes(MemoryRuntime(FakeClock())),
    )
    yield made
    for uid in made.list_uids():
        await made.teardown(uid)


def pod(*volumes, mounts=(), **spec):
    containers = [{"name": "c", "volumeMounts": list(mounts)}]
    return Pod.from_wire(
        {
            "metadata": {"name": "p", "namespace": "ns", "uid": "u1"},
            "spec": {"volumes": list(volumes), "containers": containers} | spec,
        }
    )


CONFIG = {"name": "cfg", "configMap": {"name": "cfg"}}
EMPTY = {"name": "tmp", "emptyDir": {}}


async def test_volumes_lie_where_upstream_puts_them(manager, tmp_path):
    paths = await manager.prepare(pod(CONFIG, EMPTY))
    root = tmp_path / "pods/u1/volumes"
    assert {
        "cfg": root / "kubernetes.io~configmap/cfg",
        "tmp": root / "kubernetes.io~empty-dir/tmp",
    } == paths
    assert (paths["cfg"] / "a").read_text() == "1"
    assert stat.S_IMODE(paths["tmp"].stat().st_mode) == 0o777


async def test_refresh_follows_the_object_and_keeps_empty_dirs(manager):
    a_pod = pod(CONFIG, EMPTY)
    paths = await manager.prepare(a_pod)
    (paths["tmp"] / "kept").write_text("x")
    manager._objects.data["cfg"] = ConfigMap.from_wire({"data": {"a": "2"}})
    await manager.refresh(a_pod)
    assert (paths["cfg"] / "a").read_text() == "2"
    assert (paths["tmp"] / "kept").exists()


async def test_refresh_makes_no_folder_of_the_machine_anew(manager, tmp_path):
    place = tmp_path / "made"
    a_pod = pod({"name": "h", "hostPath": {"path": str(place), "type": "DirectoryOrCreate"}})
    await manager.prepare(a_pod)
    place.rmdir()
    await manager.refresh(a_pod)
    assert not place.exists()


async def test_a_missing_object_says_which_volume_waits(manager):
    with pytest.raises(VolumeError) as caught:
        await manager.prepare(pod({"name": "v", "configMap": {"name": "none"}}))
    assert (
        caught.value.message
        == 'MountVolume.SetUp failed for volume "v" : configmap "none" not found'
    )


async def test_fs_group_owns_the_files(manager):
    paths = await manager.prepare(pod(CONFIG, EMPTY, securityContext={"fsGroup": 2000}))
    assert (paths["cfg"] / "a").stat().st_gid == 2000
    assert stat.S_IMODE((paths["cfg"] / "a").stat().st_mode) == 0o644
    folder = paths["tmp"].stat()
    assert (folder.st_gid, bool(folder.st_mode & stat.S_ISGID)) == (2000, True)


async def test_teardown_leaves_nothing(manager):
    await manager.prepare(pod(CONFIG, EMPTY))
    assert manager.list_uids() == ["u1"]
    await manager.teardown("u1")
    assert manager.list_uids() == []


@needs_root
async def test_memory_medium_is_a_tmpfs_that_goes_with_the_pod(manager):
    memory = {"name": "mem", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}
    paths = await manager.prepare(pod(memory))
    await manager.prepare(pod(memory))  # idempotent: one mount
    assert [paths["mem"]] == linux.mounts_below(paths["mem"])
    size = os.statvfs(paths["mem"])
    assert size.f_blocks * size.f_frsize == 1024 * 1024
    await manager.teardown("u1")
    assert not paths["mem"].exists()


@needs_root
async def test_memory_is_no_more_than_the_pods_own(manager):
    memory = {"name": "mem", "emptyDir": {"medium": "Memory"}}
    containers = [{"name": "c", "resources": {"limits": {"memory": "2Mi"}}}]
    paths = await manager.prepare(pod(memory, containers=containers))
    size = os.statvfs(paths["mem"])
    assert size.f_blocks * size.f_frsize == 2 * 1024 * 1024


async def test_environment_files_are_read_beneath_their_volume(manager, tmp_path):
    paths = await manager.prepare(pod(EMPTY))
    (paths["tmp"] / "env").write_text("A='1'")
    (tmp_path / "secret").write_text("B='2'")
    (paths["tmp"] / "out").symlink_to(tmp_path / "secret")
    assert await manager.texts(paths, [("tmp", "env"), ("tmp", "none")]) == {
        ("tmp", "env"): "A='1'",
        ("tmp", "none"): None,
    }
    with pytest.raises(VolumeError, match="cross-device link"):
        await manager.texts(paths, [("tmp", "out")])


async def test_devices_and_what_the_engine_can_not_do(manager):
    wanted = pod(
        EMPTY, mounts=[{"name": "tmp", "mountPath": "/t", "recursiveReadOnly": "Enabled"}],
    ).spec.containers[0]  # fmt: skip
    with pytest.raises(VolumeError, match="requested recursive read-only mode, but it is not"):
        await manager.mounts(pod(EMPTY), wanted, {"tmp": Path("/t")}, {})
    claimed = pod({"name": "d", "persistentVolumeClaim": {"claimName": "x", "readOnly": True}})
    container = Container.from_wire({"volumeDevices": [{"name": "d", "devicePath": "/dev/x"}]})
    devices = manager.devices(claimed, container, {"d": Path("/dev/loop0")})
    assert devices == [Device(Path("/dev/loop0"), "/dev/x", "r")]


async def test_mounts(manager):
    a_pod = pod(
        CONFIG,
        EMPTY,
        {"name": "host", "hostPath": {"path": "/srv"}},
        mounts=[
            {"name": "cfg", "mountPath": "/etc/cfg"},
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "host", "mountPath": "/srv", "readOnly": True, "mountPropagation": "HostToContainer"},
        ],
    )  # fmt: skip
    paths = await manager.prepare(a_pod)
    mounts = await manager.mounts(a_pod, a_pod.spec.containers[0], paths, {})
    assert [(mount.target, mount.read_only, mount.propagation) for mount in mounts] == [
        ("/etc/cfg", True, ""),
        ("/tmp", False, ""),
        ("/srv", True, "rslave"),
    ]
    assert Path("/srv") == mounts[2].source


@needs_root
@pytest.mark.parametrize(
    ("mount", "seen"),
    [
        pytest.param({"name": "cfg", "subPath": "a"}, "file", id="a key, through its links"),
        pytest.param({"name": "tmp", "subPath": "new/deep"}, "folder", id="made when missing"),
        pytest.param({"name": "tmp", "subPathExpr": "$(WHO)"}, "folder", id="expression"),
    ],
)
async def test_sub_paths(manager, mount, seen):
    a_pod = pod(CONFIG, EMPTY, mounts=[{**mount, "mountPath": "/x"}])
    paths = await manager.prepare(a_pod)
    for _ in range(2):  # a restarted container asks again
        (found,) = await manager.mounts(a_pod, a_pod.spec.containers[0], paths, {"WHO": "me"})
    assert found.source.is_file() if seen == "file" else found.source.is_dir()
    await manager.teardown("u1")
    assert not found.source.exists()


async def test_a_sub_path_needs_the_values_it_names(manager):
    mount = {"name": "tmp", "subPathExpr": "$(NOBODY)/$$(X)/$(EMPTY)", "mountPath": "/x"}
    a_pod = pod(EMPTY, mounts=[mount])
    paths = await manager.prepare(a_pod)
    with pytest.raises(VolumeError, match="missing value for EMPTY, NOBODY") as caught:
        await manager.mounts(a_pod, a_pod.spec.containers[0], paths, {"EMPTY": ""})
    assert caught.value.reason == "CreateContainerConfigError"


@needs_root
@pytest.mark.parametrize("target", ["/etc", "../../../..", "loop"])
def test_a_link_out_of_the_volume_is_refused(tmp_path, target):
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "loop").symlink_to(target)
    with pytest.raises(VolumeError):
        subpath.bind(volume, "loop/passwd", tmp_path / "target")
    assert linux.mounts_below(tmp_path) == []
