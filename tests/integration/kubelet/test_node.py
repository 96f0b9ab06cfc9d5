"""The node stays the same one: through another address, a wiped disk, an engine that forgot everything."""

import asyncio
import signal
import subprocess
from pathlib import Path

import pytest

from tests.integration.kubelet.test_pods import container, pods, running
from wherry.api.core_v1 import Node, Pod

__all__ = ["pods"]
pytestmark = pytest.mark.e2e

OTHER = "172.31.252.2"


def enter(kubelet, *words):
    subprocess.run([*kubelet.machine.enter, *words], check=True, capture_output=True)


@pytest.fixture
def by_route(kubelet):
    """The kubelet looks for its address itself."""
    kubelet.stop()
    kubelet.options = ("--node-ip=", "--node-status-update-frequency=1s")
    kubelet.start()
    yield kubelet
    kubelet.stop()
    kubelet.options = ()
    enter(kubelet, "ip", "route", "replace", "default", "via", kubelet.machine.address)
    enter(kubelet, "ip", "addr", "del", f"{OTHER}/24", "dev", "uplink")
    kubelet.start()


async def test_another_address_is_taken_up_and_nothing_restarts(by_route, pods):
    kubelet = by_route
    await pods("plain")
    await pods("host", hostNetwork=True)
    plain, host = [await kubelet.until(name, running) for name in ("plain", "host")]
    assert (plain.status.host_ip, host.status.pod_ip) == (kubelet.machine.address,) * 2
    enter(kubelet, "ip", "addr", "add", f"{OTHER}/24", "dev", "uplink")
    enter(
        kubelet, "ip", "route", "replace", "default", "via", kubelet.machine.address, "src", OTHER
    )
    after = await kubelet.until("plain", lambda p: p.status.host_ip == OTHER, 60)
    assert [one.ip for one in after.status.host_ips] == [OTHER]
    assert after.status.pod_ip == plain.status.pod_ip
    moved = await kubelet.until("host", lambda p: p.status.pod_ip == OTHER, 60)
    assert [one.ip for one in moved.status.pod_ips] == [OTHER]
    for before, now in ((plain, after), (host, moved)):
        old, new = before.status.container_statuses[0], now.status.container_statuses[0]
        assert (old.container_id, new.restart_count) == (new.container_id, 0)
    node = await kubelet.client.get(Node, kubelet.name)
    addresses = {one.type: one.address for one in node.status.addresses}
    assert addresses == {"InternalIP": OTHER, "Hostname": kubelet.name}


def leases(kubelet):
    """Addresses that are given out on this machine."""
    return sorted(file.name for file in kubelet.root_dir.glob("cni/leases/*/10.244.*"))


def wipe(kubelet):
    """What a new installation of the machine leaves of the kubelet: nothing."""
    root = str(kubelet.root_dir)
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        target = line.split()[1]
        if target.startswith(root):
            subprocess.run(["umount", "-l", target], check=False)
    subprocess.run(["rm", "-rf", root], check=True)


@pytest.mark.parametrize("engine", ["kept", "wiped"])
async def test_a_machine_installed_anew_runs_its_pods_and_nothing_else(kubelet, pods, engine):
    volume = {"name": "v", "emptyDir": {"medium": "Memory"}}
    mounting = container(volumeMounts=[{"name": "v", "mountPath": "/v"}])
    await pods("one", mounting, volumes=[volume])
    await pods("gone")
    first = await kubelet.until("one", running)
    await kubelet.until("gone", running)
    kubelet.stop(signal.SIGKILL)
    before = set(kubelet.containers("one", "-a") + kubelet.containers("gone", "-a"))
    wipe(kubelet)
    if engine == "wiped":
        kubelet.machine.docker("rm", "-f", *before)
    await kubelet.client.delete(Pod, "gone", "default", grace_period_seconds=0)
    kubelet.start()
    if engine == "wiped":
        found = await kubelet.until(
            "one", lambda p: running(p) and p.status.container_statuses[0].restart_count == 1, 60
        )
        ended = found.status.container_statuses[0].last_state.terminated
        assert (ended.exit_code, ended.reason) == (137, "ContainerStatusUnknown")
    else:
        await kubelet.until_node("True")
        found = await kubelet.until("one", running)
        ids = [pod.status.container_statuses[0].container_id for pod in (first, found)]
        assert ids[0] == ids[1], "what runs goes on"
    async with asyncio.timeout(60):
        while kubelet.containers("gone", "-a") or leases(kubelet) != [found.status.pod_ip]:
            await asyncio.sleep(0.1)
