"""`make bench-scheduler`: pods bound per second, beside the figure to beat (upstream's on a like machine).

A real etcd (with fsync), a real API server and a real scheduler, each a process of its own. The pods
wait before the scheduler starts; the clock runs from the first binding to the last, as a watcher sees
them. A second figure is the decision alone, without any I/O, at 100 and at 5,000 nodes.
Run: python tests/bench/bench_scheduler.py [--nodes N] [--pods N]
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from types import ModuleType

import uvloop

from scheduler.algorithm import Placed, schedule
from scheduler.cache import Cache
from scheduler.objects import Node as SchedulerNode
from scheduler.objects import Pod as SchedulerPod
from scheduler.plugins.registry import default_profile
from scheduler.state import PodInfo
from wherry.client.kubeconfig import load
from wherry.client.rest import Client

HERE = Path(__file__).resolve().parent
NAMESPACE = "default"
CREATORS = 16
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
DEADLINE_SECONDS = 120.0


def load_module(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def node_tree(number: int) -> dict:
    amounts = {"cpu": "64", "memory": "256Gi", "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": f"node-{number}",
            "labels": {"topology.kubernetes.io/zone": f"zone-{number % 3}"},
        },
        "status": {"capacity": amounts, "allocatable": amounts},
    }


def pod_tree(number: int) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"pod-{number}", "namespace": NAMESPACE, "labels": {"app": "bench"}},
        "spec": {
            "containers": [
                {
                    "name": "main",
                    "image": "registry.example.com/team/application:1.2.3",
                    "resources": {"requests": {"cpu": "100m", "memory": "50Mi"}},
                }
            ],
        },
    }


def say(what: str, figure: str, upstream: str, goal: str) -> None:
    print(f"{what:<34} {figure:<46} upstream {upstream:<28} goal {goal}", flush=True)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def rss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def bench_decision(nodes: int, pods: int = 2000) -> None:
    """The algorithm alone: filter, score, choose, assume."""
    profile, cache, chance = default_profile(), Cache(), random.Random(1)
    for number in range(nodes):
        cache.set_node(SchedulerNode.from_wire(node_tree(number)))
    infos = [PodInfo.of(SchedulerPod.from_wire(pod_tree(number))) for number in range(pods)]
    started, start = time.perf_counter(), 0
    for info in infos:
        found = schedule(info, cache.nodes(), profile, start, chance)
        assert isinstance(found, Placed)
        start = (start + found.evaluated) % nodes
        cache.assume(info, found.node_name)
    seconds = time.perf_counter() - started
    say(
        f"decisions alone, {nodes:,} nodes",
        f"{pods / seconds:,.0f}/s ({seconds / pods * 1e6:.0f} µs each)",
        "810/s at 5,000 nodes, bound",
        "300/s at 5,000 nodes",
    )


async def create_all(client: Client, path: str, trees: list[dict]) -> float:
    """Seconds it took."""
    waiting = iter(trees)
    started = time.perf_counter()

    async def work() -> None:
        for tree in waiting:
            await client.request("POST", path, body=tree)

    await asyncio.gather(*[work() for _ in range(CREATORS)])
    return time.perf_counter() - started


async def ready_nodes(client: Client, count: int) -> None:
    trees = [node_tree(number) for number in range(count)]
    await create_all(client, "/api/v1/nodes", trees)
    # A node that no kubelet has reported for is created with a not-ready taint.
    for tree in trees:
        name = tree["metadata"]["name"]
        await client.request(
            "PATCH", f"/api/v1/nodes/{name}", body={"spec": {"taints": None}},
            content_type="application/merge-patch+json",
        )  # fmt: skip


async def count_bound(
    client: Client, revision: str, wanted: int, on_first: Callable[[], None]
) -> tuple[float, float]:
    """When the first and the last of `wanted` pods were seen bound."""
    bound: set[str] = set()
    first = last = 0.0
    events = client.watch(SchedulerPod, NAMESPACE, resource_version=revision)
    async with asyncio.timeout(DEADLINE_SECONDS), aclosing(events) as stream:
        async for event in stream:
            if event.object.spec.node_name:
                last = time.perf_counter()
                if not first:
                    first = last
                    on_first()
                bound.add(event.object.metadata.name)
                if len(bound) == wanted:
                    return first, last
    raise RuntimeError(f"only {len(bound)} of {wanted} pods were bound")


async def bench_binding(apiserver: object, nodes: int, pods: int) -> None:
    async with Client(load(apiserver.kubeconfig)) as client:
        await ready_nodes(client, nodes)
        path = f"/api/v1/namespaces/{NAMESPACE}"
        await client.request(
            "POST", f"{path}/serviceaccounts", body={"metadata": {"name": "default"}}
        )
        took = await create_all(client, f"{path}/pods", [pod_tree(n) for n in range(pods)])
        print(f"(created {pods:,} pods at {pods / took:,.0f}/s)", flush=True)
        revision = (await client.list(SchedulerPod, NAMESPACE)).resource_version
        command = [
            sys.executable, "-m", "scheduler.main", f"--kubeconfig={apiserver.kubeconfig}",
            "--leader-elect=false", "--secure-port=0",
        ]  # fmt: skip
        scheduler = await asyncio.create_subprocess_exec(*command, stderr=subprocess.DEVNULL)
        pids = (scheduler.pid, apiserver.process.pid)
        before: list[float] = []
        try:
            first, last = await count_bound(
                client, revision, pods, lambda: before.extend(map(cpu_seconds, pids))
            )
            seconds = last - first
            used, api_used = (
                (cpu_seconds(pid) - cpu) / pods * 1e6 for pid, cpu in zip(pids, before, strict=True)
            )
            say(
                f"pods bound, {nodes:,} nodes, {pods:,} waiting",
                f"{pods / seconds:,.0f}/s ({used:.0f} µs CPU, API server {api_used:.0f} µs)",
                "765/s",
                "765/s (aim 1,500)",
            )
            say("scheduler RSS after that", f"{rss_mib(scheduler.pid):.0f} MiB", "67 MiB at rest",
                "75 MiB at rest (aim 60)")  # fmt: skip
        finally:
            scheduler.send_signal(signal.SIGTERM)
            await scheduler.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--pods", type=int, default=2070)
    options = parser.parse_args()
    for nodes in (100, 5000):
        bench_decision(nodes)
    servers = load_module("bench_servers", HERE.parent / "integration" / "conftest.py")
    with servers.running_etcd(fsync=True) as etcd, servers.running_apiserver(etcd) as apiserver:
        uvloop.run(bench_binding(apiserver, options.nodes, options.pods))


if __name__ == "__main__":
    main()
