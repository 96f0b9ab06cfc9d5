"""A disk that is full, or can only be read: pods say so, nobody lies, and all goes on when it is mended."""

import asyncio
import contextlib
import subprocess
import time

import pytest

from tests.integration.kubelet.test_pods import manifest, running
from wherry.api.core_v1 import Node, Pod
from wherry.api.errors import ApiError

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

SECONDS = 90.0  # until what was mended is seen, on a loaded machine
# Pods are not to be refused or evicted before they meet the full disk itself.
NO_EVICTION = ("--eviction-hard=memory.available<1Mi", "--image-gc-high-threshold=100")


def run(*words):
    subprocess.run(words, check=True, capture_output=True)


@contextlib.contextmanager
def small_disk(folder, size):
    """The folder on a disk of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0711", "small", str(folder))
    try:
        yield
    finally:
        # Lazily: what a failed test left below it goes too.
        run("umount", "-l", str(folder))


def fill(folder):
    """Until nothing more fits."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    return path


@pytest.fixture
async def restarted(kubelet):
    """Starts the kubelet with other flags; afterwards it is as it was."""

    async def start(*flags):
        kubelet.options = flags
        kubelet.start()
        await kubelet.until_node("True")

    before = kubelet.options
    kubelet.stop()
    yield start
    kubelet.options = before
    await kubelet.until_node("True")


@pytest.fixture
async def pods(kubelet):
    made = []

    async def create(name, *containers, **spec):
        made.append(name)
        return await kubelet.client.create(manifest(name, *containers, **spec))

    yield create
    for name in made:
        with contextlib.suppress(ApiError):
            await kubelet.client.delete(Pod, name, "default", grace_period_seconds=0)


async def told(kubelet, name, text):
    """Wait for an event of the pod that says this."""
    deadline = time.monotonic() + SECONDS
    while True:
        events = await kubelet.events(name)
        if any(text in message for _, message in events):
            return
        assert time.monotonic() < deadline, (events, kubelet.log[-3000:])
        await asyncio.sleep(0.2)


async def delete(kubelet, *names):
    for name in names:
        await kubelet.client.delete(Pod, name, "default", grace_period_seconds=1)
    for name in names:
        await kubelet.until_gone(name, SECONDS)


async def test_the_kubelets_disk(kubelet, pods, restarted):
    volume = {"volumes": [{"name": "v", "downwardAPI": {"items": [
        {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}}]}  # fmt: skip
    root = kubelet.root_dir
    with small_disk(root, "2m"):
        await restarted(*NO_EVICTION)
        await pods("before")
        await kubelet.until("before", running, SECONDS)
        filler = fill(root)
        await pods("networked")
        await pods("filed", hostNetwork=True)
        await pods("mounted", hostNetwork=True, **volume)
        await told(kubelet, "networked", "No space left on device")
        await told(kubelet, "filed", "No space left on device")
        await told(kubelet, "mounted", "No space left on device")
        assert running(await kubelet.client.get(Pod, "before", "default"))
        filler.unlink()
        for name in ("networked", "filed", "mounted"):
            await kubelet.until(name, running, SECONDS)

        run("mount", "-o", "remount,ro", str(root))
        await pods("late")
        await told(kubelet, "late", "Read-only file system")
        await kubelet.client.delete(Pod, "filed", "default", grace_period_seconds=1)
        await told(kubelet, "filed", "Read-only file system")
        assert running(await kubelet.client.get(Pod, "before", "default"))
        run("mount", "-o", "remount,rw", str(root))
        await kubelet.until("late", running, SECONDS)
        await kubelet.until_gone("filed", SECONDS)
        await delete(kubelet, "before", "networked", "mounted", "late")
        assert [one.name for one in (root / "pods").iterdir()] == []
        assert list((root / "cni" / "leases").glob("*/10.*")) == []
        kubelet.stop()
    kubelet.start()


async def test_the_engines_disk(kubelet, pods, restarted):
    machine = kubelet.machine
    machine.stop_engine()
    with small_disk(machine.directory / "data", "48m"):
        machine.start_engine()
        machine.docker("import", str(machine.directory / "image.tar"), "local/busybox:1")
        pressing = ("--eviction-hard=imagefs.available<1Mi", "--image-gc-high-threshold=100")
        await restarted(*pressing, "--eviction-pressure-transition-period=1s")
        await pods("before")
        await kubelet.until("before", running, SECONDS)
        stranger = machine.docker(
            "create", "--network", "none", "local/busybox:1", "/bin/true"
        ).stdout.strip()
        filler = fill(machine.directory / "data")
        await until_condition(kubelet, "DiskPressure", "True")
        await pods("refused", restartPolicy="Never")
        found = await kubelet.until("refused", lambda p: p.status.phase == "Failed", SECONDS)
        assert found.status.reason == "Evicted"
        assert "The node had condition: [DiskPressure]" in found.status.message
        found = await kubelet.until("before", lambda p: p.status.phase == "Failed", SECONDS)
        assert "The node was low on resource: ephemeral-storage" in found.status.message
        assert machine.docker("inspect", "-f", "ok", stranger).stdout == "ok\n"
        filler.unlink()
        await until_condition(kubelet, "DiskPressure", "False")

        kubelet.stop()
        await restarted(*NO_EVICTION)
        filler = fill(machine.directory / "data")
        await pods("full")
        await told(kubelet, "full", "no space left on device")
        filler.unlink()
        await kubelet.until("full", running, SECONDS)
        await delete(kubelet, "full", "before", "refused")
        kubelet.stop()
        machine.docker("rm", stranger)
        machine.stop_engine()
    machine.start_engine()
    kubelet.start()


async def until_condition(kubelet, name, wanted):
    deadline = time.monotonic() + SECONDS
    while True:
        node = await kubelet.client.get(Node, kubelet.name)
        shown = {c.type: c.status for c in node.status.conditions}
        if shown.get(name) == wanted:
            return
        assert time.monotonic() < deadline, (shown, kubelet.log[-3000:])
        await asyncio.sleep(0.2)
