"""Figures of the controller manager: pods made a second, memory and CPU at rest, failover.

A real etcd, a real API server and a real controller manager; no kubelet: a node is a Lease that this
process renews. Run from the root: python -m tests.bench.bench_controllers [--pods N] [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from tests.integration.conftest import running_apiserver, running_etcd
from tests.integration.controller_manager.conftest import Cluster, Manager
from wherry.api.apps_v1 import Deployment, ReplicaSet
from wherry.api.core_v1 import Namespace, Node, Pod, ServiceAccount
from wherry.client.kubeconfig import load
from wherry.client.rest import Client

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
REST_SECONDS = 10
FAST = [
    "--node-monitor-period=1s", "--node-monitor-grace-period=7s", "--node-eviction-rate=1",
    "--leader-elect=false",
]  # fmt: skip
NODES = ("n1", "n2", "n3")


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
    async with asyncio.timeout(300):
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


async def measure(cluster: Cluster, pid: int, pods: int) -> None:
    def show(what: str, value: float, unit: str, note: str = "") -> None:
        print(f"{what:<46} {value:>9.2f} {unit:<6} {note}")

    started = await timed(lambda: there(cluster, ServiceAccount, "default"))
    show("manager start to first account", started, "s")
    before = cpu_seconds(pid)
    await asyncio.sleep(REST_SECONDS)
    show("CPU at rest", (cpu_seconds(pid) - before) / REST_SECONDS * 100, "%", "of a core")
    show("RSS at rest", rss_mib(pid), "MiB", "(upstream 120; reach 95, aim 80)")

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
    await cluster.client.delete(Node, "n1")

    await cluster.make(ReplicaSet, "many", spec=deployment(pods))
    took = await timed(lambda: count_is(cluster, pods), 0.2)
    show(f"{pods} pods made", pods / took, "pods/s")
    show("RSS with them", rss_mib(pid), "MiB")
    await cluster.client.delete(ReplicaSet, "many", cluster.namespace)
    took = await timed(lambda: count_is(cluster, 0), 0.2)
    show(f"{pods} pods collected with their owner", pods / took, "pods/s")


async def there(cluster: Cluster, model: type, name: str) -> bool:
    return await cluster.get(model, name) is not None


async def count_is(cluster: Cluster, count: int) -> bool:
    path = f"/api/v1/namespaces/{cluster.namespace}/pods"
    return (await cluster.client.request("GET", path)).body.count(b'"name":"many-') == count


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


async def main(pods: int) -> None:
    with (
        running_etcd() as etcd,
        running_apiserver(etcd) as server,
        tempfile.TemporaryDirectory() as directory,
    ):
        async with Client(load(server.kubeconfig)) as client:
            cluster = Cluster(client, "bench")
            await cluster.make(Namespace, "bench")
            manager = Manager(server, Path(directory), *FAST, verbosity=2)
            try:
                await measure(cluster, manager.process.pid, pods)
            finally:
                manager.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=1000)
    parser.add_argument("--quick", action="store_true", help="few pods")
    options = parser.parse_args()
    uvloop.run(main(100 if options.quick else options.pods))
