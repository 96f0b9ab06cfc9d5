"""Figures of one node: create → Running, bursts, deletion, kubelet and proxy at rest; beside bare Docker calls.

    python tests/bench/bench_node.py [--pods 10] [--burst 30] [--many 100] [--resting 50] [--rest 20]

Makes its own machine (network namespace, Docker Engine), etcd, API server, kubelet and proxy, binds
pods itself (no scheduler) and prints one line per figure with the goal beside it. Needs root.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deploy.cluster import ENVIRONMENT
from kubelet import sandbox_image
from kubelet.runtime.docker import API_VERSION
from kubelet.runtime.engine_calls import EngineCalls
from tests.integration.conftest import running_apiserver, running_etcd
from tests.integration.kubelet.conftest import Kubelet, Machine, ready
from tests.integration.kubelet.relay import Relay
from wherry.api.core_v1 import Pod, ServiceAccount
from wherry.api.errors import ApiError
from wherry.api.meta_v1 import ObjectMeta
from wherry.client import kubeconfig
from wherry.client.rest import Client

TRAP = "trap 'exit 0' TERM; while :; do /bin/sleep 1000 & wait $!; done"
SECONDS_MAX = 120.0
SETTLE_SECONDS = 5.0  # after which only rest is left
TICKS = os.sysconf("SC_CLK_TCK")


def pod(name: str) -> Pod:
    container = {"name": "c", "image": "local/busybox:1", "command": ["/bin/sh", "-c", TRAP]}
    return Pod.from_wire(
        {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "nodeName": "n1", "automountServiceAccountToken": False,
                "containers": [container],
            },
        }
    )  # fmt: skip


class Watcher:
    """When each pod was first seen Running, and when it was gone."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.running: dict[str, float] = {}
        self.gone: dict[str, float] = {}
        self.changed = asyncio.Event()

    async def run(self, revision: str) -> None:
        async for event in self._client.watch(Pod, "default", resource_version=revision):
            name, now = event.object.metadata.name, time.perf_counter()
            if event.type == "DELETED":
                self.gone[name] = now
            elif event.object.status.phase == "Running":
                self.running.setdefault(name, now)
            self.changed.set()

    async def wait(self, seen: dict[str, float], names: list[str]) -> None:
        async with asyncio.timeout(SECONDS_MAX):
            while not all(name in seen for name in names):
                self.changed.clear()
                await self.changed.wait()


def show(title: str, value: str, goal: str) -> None:
    print(f"{title:<52} {value:>18}   goal {goal}", flush=True)


def quantiles(values: list[float]) -> str:
    ordered = sorted(values)
    return f"{statistics.median(ordered):.3f} / {ordered[int(len(ordered) * 0.9)]:.3f} s"


async def single(machine: Machine, client: Client, watcher: Watcher, count: int) -> None:
    """One pod after the other, and a container without us between them: the machine's moods count alike."""
    starts, bare_starts = [], []
    ends: dict[int | None, list[float]] = {None: [], 0: []}
    for number in range(2 * count):
        name = f"one-{number}"
        begun = time.perf_counter()
        await client.create(pod(name))
        await watcher.wait(watcher.running, [name])
        starts.append(watcher.running[name] - begun)
        begun = time.perf_counter()
        grace = None if number % 2 else 0
        await client.delete(Pod, name, "default", grace_period_seconds=grace)
        await watcher.wait(watcher.gone, [name])
        ends[grace].append(watcher.gone[name] - begun)
        await asyncio.to_thread(nothing_runs, machine)
        bare_starts.append(await asyncio.to_thread(bare, machine))
    show("create → Running, p50 / p90", quantiles(starts), "0.55 / 0.65, aim 0.35 / 0.45")
    show("bare docker run -d in between, p50 / p90", quantiles(bare_starts), "(yardstick)")
    show("delete, grace 0 → gone, p50 / p90", quantiles(ends[0]), "0.05, aim 0.03")
    show("delete, TERM handled → gone, p50 / p90", quantiles(ends[None]), "0.95, aim 0.5")


def nothing_runs(machine: Machine) -> None:
    """Wait until the engine is done with what was deleted."""
    deadline = time.monotonic() + SECONDS_MAX
    while machine.docker("ps", "-q", "-f", "label=io.kubernetes.pod.name").stdout:
        if time.monotonic() > deadline:
            raise RuntimeError("deleted pods still run")
        time.sleep(0.05)


async def burst(client: Client, watcher: Watcher, count: int, pid: int, goal: str) -> None:
    spent = cpu_seconds(pid)
    names = [f"many-{count}-{number}" for number in range(count)]
    begun = time.perf_counter()
    await asyncio.gather(*(client.create(pod(name)) for name in names))
    await watcher.wait(watcher.running, names)
    took = max(watcher.running[name] for name in names) - begun
    show(f"{count} pods at once → last Running", f"{took:.2f} s", goal)
    begun = time.perf_counter()
    await asyncio.gather(*(client.delete(Pod, name, "default") for name in names))
    await watcher.wait(watcher.gone, names)
    took = max(watcher.gone[name] for name in names) - begun
    show(f"{count} pods deleted at once → last gone", f"{took:.2f} s", "-")
    spent = (cpu_seconds(pid) - spent) / count * 1000
    show("kubelet's own CPU per pod, birth to end", f"{spent:.0f} ms", "-")


def bare(machine: Machine) -> float:
    """Seconds of a `docker run -d` of the same image, as a person would."""
    begun = time.perf_counter()
    made = machine.docker("run", "-d", "--network", "none", "local/busybox:1", "/bin/sleep", "100")
    took = time.perf_counter() - begun
    machine.docker("rm", "-f", made.stdout.strip())
    return took


async def bare_burst(machine: Machine, count: int) -> None:
    """The engine calls of as many pods and nothing else: a sandbox, and a container that joins it."""
    calls = EngineCalls(str(machine.socket), API_VERSION)
    made: list[str] = []

    async def run(command: list[str], network: str) -> str:
        config = {
            "Image": "local/busybox:1", "Entrypoint": command, "StopSignal": "SIGKILL",
            "HostConfig": {"NetworkMode": network, "IpcMode": "shareable"},
        }  # fmt: skip
        found: str = (await calls.call("POST", "/containers/create", None, config))["Id"]
        made.append(found)
        await calls.call("POST", f"/containers/{found}/start")
        await calls.call("GET", f"/containers/{found}/json")
        return found

    async def pod_of_two() -> None:
        sandbox = await run(["/bin/sleep", "1000"], "none")
        await run(["/bin/sh", "-c", TRAP], f"container:{sandbox}")

    begun = time.perf_counter()
    await asyncio.gather(*(pod_of_two() for _ in range(count)))
    took = time.perf_counter() - begun
    show(f"bare engine calls of {count} pods at once", f"{took:.2f} s", "(yardstick)")
    await asyncio.gather(
        *(calls.call("DELETE", f"/containers/{found}", {"force": 1}) for found in made)
    )
    calls.close()


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


async def rest(kubelet: int, proxy: int, seconds: float, pods: int) -> None:
    await asyncio.sleep(SETTLE_SECONDS)
    before = cpu_seconds(kubelet)
    await asyncio.sleep(seconds)
    share = (cpu_seconds(kubelet) - before) / seconds * 100
    show(f"kubelet at rest with {pods} pods: CPU", f"{share:.2f} % of a core", "0.6, aim 0.3")
    show(f"kubelet at rest with {pods} pods: RSS", f"{rss_mib(kubelet):.0f} MiB", "80, aim 70")
    show(f"proxy at rest with {pods} pods: RSS", f"{rss_mib(proxy):.0f} MiB", "60, aim 50")


@contextmanager
def running_proxy(kubelet: Kubelet) -> Iterator[int]:
    """A proxy beside the kubelet; its pid."""
    command = [
        *kubelet.machine.enter, sys.executable, "-m", "proxy.main",
        f"--kubeconfig={kubelet.kubeconfig}", f"--hostname-override={kubelet.name}",
        "--cluster-cidr=10.244.0.0/16",
    ]  # fmt: skip
    with (
        open(kubelet.machine.directory / "proxy.log", "ab") as log,
        subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **ENVIRONMENT}
        ) as process,
    ):
        try:
            yield process.pid
        finally:
            process.terminate()


@contextmanager
def node() -> Iterator[tuple[Machine, Kubelet, int]]:
    with ExitStack() as stack:
        etcd = stack.enter_context(running_etcd())
        server = stack.enter_context(running_apiserver(etcd))
        machine = Machine(f"wb-{os.getpid()}", Path(tempfile.mkdtemp(prefix="wherry-bench-")))
        stack.callback(machine.remove)
        machine.make()
        machine.start_engine()
        relay = Relay(machine.name, server.port)
        relay.open()
        stack.callback(relay.shut)
        tar = machine.directory / "image.tar"
        tar.write_bytes(sandbox_image.root_tar(sandbox_image.read_busybox()))
        machine.docker("import", str(tar), "local/busybox:1")
        kubelet = Kubelet(machine, server.kubeconfig, verbosity=0)
        kubelet.start()
        stack.callback(kubelet.stop)
        yield machine, kubelet, stack.enter_context(running_proxy(kubelet))


async def measure(
    machine: Machine, kubelet: Kubelet, proxy: int, given: argparse.Namespace
) -> None:
    async with Client(kubeconfig.load(kubelet.kubeconfig)) as client:
        try:
            await client.create(
                ServiceAccount(metadata=ObjectMeta(name="default", namespace="default"))
            )
        except ApiError as error:
            if error.code != 409:
                raise
        await ready(client, kubelet)
        watcher = Watcher(client)
        listed = await client.list(Pod, "default")
        watching = asyncio.ensure_future(watcher.run(listed.resource_version))
        assert kubelet.process is not None
        pid = kubelet.process.pid
        try:
            await rest(pid, proxy, given.rest, 0)
            await single(machine, client, watcher, given.pods)
            await bare_burst(machine, given.burst)
            await burst(client, watcher, given.burst, pid, "5.5, aim 4.5 (30 pods)")
            await bare_burst(machine, given.burst)
            names = [f"rest-{number}" for number in range(given.resting)]
            for name in names:
                await client.create(pod(name))
            await watcher.wait(watcher.running, names)
            await rest(pid, proxy, given.rest, len(names))
            await asyncio.gather(*(client.delete(Pod, name, "default") for name in names))
            await watcher.wait(watcher.gone, names)
            if given.many:
                await burst(client, watcher, given.many, pid, "-")
        finally:
            watching.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=10)
    parser.add_argument("--burst", type=int, default=30)
    parser.add_argument("--many", type=int, default=100)
    parser.add_argument("--resting", type=int, default=50)
    parser.add_argument("--rest", type=float, default=20.0)
    given = parser.parse_args()
    with node() as (machine, kubelet, proxy):
        asyncio.run(measure(machine, kubelet, proxy, given))


if __name__ == "__main__":
    main()
