"""Figures of the controller manager: a Deployment grows, rolls, goes; a full namespace goes; memory
and CPU at rest, empty and with 10,000 pods; failover.

A real etcd, a real API server and a real controller manager; no kubelet: a node is a Lease that this
process renews, and pods of the big Deployments stay unscheduled.
Run from the root: python -m tests.bench.bench_controllers [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import uvloop

from deploy.cluster import ENVIRONMENT
from tests.integration.conftest import running_apiserver, running_etcd
from tests.integration.controller_manager.conftest import Cluster, Manager
from wherry.api.apps_v1 import Deployment
from wherry.api.core_v1 import ConfigMap, Namespace, Node, Pod, Secret, ServiceAccount
from wherry.client.kubeconfig import load
from wherry.client.rest import Client

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
REST_SECONDS = 10
FAST = [
    "--node-monitor-period=1s", "--node-monitor-grace-period=7s", "--node-eviction-rate=1",
    "--leader-elect=false",
]  # fmt: skip
NODES = ("n1", "n2", "n3")


class Sizes(NamedTuple):
    """replicas of the Deployment that rolls, objects of the namespace, pods at rest."""

    replicas: int
    objects: int
    pods: int


def rss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


async def timed(question: Callable[[], Awaitable[bool]], pause: float = 0.05) -> float:
    start = time.monotonic()
    async with asyncio.timeout(600):
        while not await question():
            await asyncio.sleep(pause)
    return time.monotonic() - start


def deployment(replicas: int) -> dict[str, object]:
    tolerations = [
        {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 2}
        for key in ("not-ready", "unreachable")
    ]  # fmt: skip
    return {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "i"}], "tolerations": tolerations},
        },
    }


def show(what: str, value: float, unit: str, note: str = "") -> None:
    print(f"{what:<54} {value:>9.2f} {unit:<9} {note}", flush=True)


async def at_rest(pid: int, what: str, note: str = "") -> None:
    before = cpu_seconds(pid)
    await asyncio.sleep(REST_SECONDS)
    show(f"CPU at rest{what}", (cpu_seconds(pid) - before) / REST_SECONDS * 100, "% of one")
    show(f"RSS at rest{what}", rss_mib(pid), "MiB", note)


async def measure(cluster: Cluster, pid: int, sizes: Sizes) -> None:
    started = await timed(lambda: there(cluster, ServiceAccount, "default"))
    show("manager start to first account", started, "s")
    await at_rest(pid, "", "(upstream 120; reach 95, aim 80)")
    await fail_over(cluster)
    await roll(cluster, pid, sizes)
    await empty_a_namespace(cluster, sizes.objects)
    await fill(cluster, pid, sizes.pods)


async def fail_over(cluster: Cluster) -> None:
    for name in NODES:
        await cluster.node(name)
    async with cluster.kubelets(*NODES) as alive:
        await cluster.make(Deployment, "failover", spec=deployment(6))
        await timed(lambda: run_on(cluster, 6, set(NODES)))
        alive.discard("n1")
        moved = await timed(lambda: run_on(cluster, 6, {"n2", "n3"}))
        show("a dead node's replicas run elsewhere", moved, "s", "(reach 15, aim 8)")
        await cluster.client.delete(Deployment, "failover", cluster.namespace)
        await timed(lambda: gone(cluster))
    for name in NODES:
        await cluster.client.delete(Node, name)


async def roll(cluster: Cluster, pid: int, sizes: Sizes) -> None:
    """From nothing to many; a new template for half as many; away with them."""
    most, half = sizes.replicas, sizes.replicas // 2
    spec = deployment(most)
    # Nobody makes the pods ready: a rollout that waited for that would never end.
    spec["strategy"] = {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "100%"}}
    await cluster.make(Deployment, "many", spec=spec)
    before = cpu_seconds(pid)
    took = await timed(lambda: count_is(cluster, most), 0.1)
    cpu = (cpu_seconds(pid) - before) / most * 1e3
    show(f"a Deployment from 0 to {most} replicas", most / took, "pods/s", f"{cpu:.2f} ms CPU each")
    show("RSS with them", rss_mib(pid), "MiB")
    await cluster.client.patch(Deployment, "many", "bench", {"spec": {"replicas": half}})
    await timed(lambda: count_is(cluster, half), 0.1)
    image = {"containers": [{"name": "c", "image": "new"}]}
    await cluster.client.patch(
        Deployment, "many", "bench", {"spec": {"template": {"spec": image}}}, type="strategic"
    )
    took = await timed(lambda: count_is(cluster, half, b'"image":"new"'), 0.1)
    show(f"rolling update of {half} replicas", took, "s", f"{half / took:.0f} pods/s")
    await cluster.client.delete(Deployment, "many", "bench")
    took = await timed(lambda: count_is(cluster, 0), 0.1)
    show(f"{half} pods collected with their Deployment", half / took, "pods/s")


async def empty_a_namespace(cluster: Cluster, objects: int) -> None:
    full = Cluster(cluster.client, "full")
    await full.make(Namespace, "full")
    free = asyncio.Semaphore(32)

    async def one(number: int) -> None:
        async with free:
            await full.make((ConfigMap, Secret)[number % 2], f"o{number}")

    await asyncio.gather(*(one(number) for number in range(objects)))
    await cluster.client.delete(Namespace, "full", "")

    async def is_gone() -> bool:
        return await cluster.get(Namespace, "full") is None

    show(f"a namespace with {objects} objects goes", await timed(is_gone), "s")


async def fill(cluster: Cluster, pid: int, pods: int) -> None:
    await cluster.make(Deployment, "many", spec=deployment(pods))
    took = await timed(lambda: count_is(cluster, pods), 1.0)
    show(f"a Deployment from 0 to {pods} replicas", pods / took, "pods/s")
    await asyncio.sleep(REST_SECONDS)  # statuses and events come after
    await at_rest(pid, f" with {pods} pods")


async def there(cluster: Cluster, model: type, name: str) -> bool:
    return await cluster.get(model, name) is not None


async def count_is(cluster: Cluster, count: int, image: bytes = b"") -> bool:
    """Are there so many pods, all with the image?"""
    path = f"/api/v1/namespaces/{cluster.namespace}/pods"
    body = (await cluster.client.request("GET", path)).body
    found = body.count(b'"generateName":"many-')
    return found == count and (not image or body.count(image) == count)


async def gone(cluster: Cluster) -> bool:
    return all(pod.spec.node_name == "n1" for pod in await cluster.list(Pod))


async def run_on(cluster: Cluster, count: int, nodes: set[str]) -> bool:
    live = [
        pod
        for pod in await cluster.list(Pod)
        if pod.status.phase == "Running"
        and pod.metadata.deletion_timestamp is None
        and pod.spec.node_name in nodes
    ]
    return len(live) == count


async def main(sizes: Sizes) -> None:
    with (
        running_etcd() as etcd,
        running_apiserver(etcd) as server,
        tempfile.TemporaryDirectory() as directory,
    ):
        async with Client(load(server.kubeconfig)) as client:
            cluster = Cluster(client, "bench")
            await cluster.make(Namespace, "bench")
            os.environ |= ENVIRONMENT
            manager = Manager(server, Path(directory), *FAST, verbosity=2)
            try:
                await measure(cluster, manager.process.pid, sizes)
            finally:
                manager.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    options = parser.parse_args()
    uvloop.run(main(Sizes(100, 500, 1000) if options.quick else Sizes(1000, 5000, 10_000)))
