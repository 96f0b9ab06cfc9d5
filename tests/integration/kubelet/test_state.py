"""What the kubelet keeps on disk may be lost or make no sense, and what it wired may break."""

import asyncio
import json
import signal
import subprocess
import time

import pytest

from tests.integration.kubelet.test_pods import manifest, running
from wherry.api.core_v1 import Event, Pod

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
SECONDS = 90.0


async def until(what, why):
    deadline = time.monotonic() + SECONDS
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < deadline, why()
        await asyncio.sleep(0.2)


def sandbox(kubelet, name):
    """Its id and the pid of its process."""
    filters = ["-f", f"label=io.kubernetes.pod.name={name}", "-f", "label=io.wherry.type=sandbox"]
    id = kubelet.machine.docker("ps", "-q", "--no-trunc", *filters).stdout.strip()
    return id, kubelet.machine.docker("inspect", "-f", "{{.State.Pid}}", id).stdout.strip()


def inside(kubelet, name, *words):
    """Run a command in the pod's network."""
    enter = ["nsenter", f"--net=/proc/{sandbox(kubelet, name)[1]}/ns/net"]
    return subprocess.run([*enter, *words], check=True, capture_output=True, text=True).stdout


def kept(kubelet, name):
    return kubelet.root_dir / "cni" / "results" / f"{sandbox(kubelet, name)[0]}.json"


async def test_a_corrupt_file_costs_no_pod_its_life(kubelet):
    await kubelet.client.create(manifest("corrupt"))
    before = await kubelet.until("corrupt", running, SECONDS)
    path, containers = kept(kubelet, "corrupt"), kubelet.containers("corrupt")
    kubelet.stop(signal.SIGKILL)
    path.write_bytes(path.read_bytes()[:100])
    kubelet.start()
    await until(
        lambda: list(path.parent.glob(f"{path.name}.corrupt-*")), lambda: kubelet.log[-3000:]
    )
    await until(
        lambda: path.exists() and json.loads(path.read_bytes()), lambda: kubelet.log[-3000:]
    )
    await kubelet.until_node("True")
    selector = f"involvedObject.name={kubelet.name},reason=CorruptStateFile"
    deadline = time.monotonic() + SECONDS
    while not (await kubelet.client.list(Event, "default", field_selector=selector)).items:
        assert time.monotonic() < deadline, kubelet.log[-3000:]
        await asyncio.sleep(0.2)
    after = await kubelet.client.get(Pod, "corrupt", "default")
    assert (after.status.pod_ip, kubelet.containers("corrupt")) == (
        before.status.pod_ip,
        containers,
    )
    await kubelet.client.delete(Pod, "corrupt", "default", grace_period_seconds=1)
    await kubelet.until_gone("corrupt", SECONDS)
    lease = kubelet.root_dir / "cni" / "leases" / "wherry" / before.status.pod_ip
    await until(lambda: not lease.exists(), lambda: f"{lease} stays\n{kubelet.log[-3000:]}")


async def test_a_pod_whose_network_broke_gets_another(kubelet):
    await kubelet.client.create(manifest("broken"))
    await kubelet.until("broken", running, SECONDS)
    path = kept(kubelet, "broken")
    kubelet.stop()  # the next looks at all of them at once
    kubelet.start()
    await until(lambda: json.loads(path.read_bytes())["passed"], lambda: "it is never looked at")
    kubelet.stop()
    inside(kubelet, "broken", "ip", "addr", "flush", "dev", "eth0")
    kubelet.start()
    found = await kubelet.until(
        "broken", lambda p: running(p) and p.status.container_statuses[0].restart_count == 1, SECONDS
    )  # fmt: skip
    shown = inside(kubelet, "broken", "ip", "-o", "addr", "show", "eth0")
    assert f"{found.status.pod_ip}/" in shown
    reasons = {reason for reason, _ in await kubelet.events("broken")}
    assert {"NetworkCheckFailed", "SandboxChanged"} <= reasons
    await kubelet.client.delete(Pod, "broken", "default", grace_period_seconds=1)
    await kubelet.until_gone("broken", SECONDS)
