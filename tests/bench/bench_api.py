"""`make bench-api`: figures of the API server, beside the ones to beat (upstream's on a like machine).

A real etcd (with fsync) and a real API server, each a process of its own; the load comes from this one
over TLS. "load" is this process's own processor time: on few cores it takes from what it measures.

At the end a second server has everything on: Node and RBAC, NodeRestriction beside the default admission,
fairness, audit of every request at Metadata, Secrets encrypted; asked by a user whom RBAC lets do it.
Run: python tests/bench/bench_api.py [--quick] [--pods N]
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import importlib.util
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

import uvloop

HERE = Path(__file__).resolve().parent
CONNECTIONS = 16
LIST_CONNECTIONS = 2
WATCHERS = 100
LAG_RATE = 100  # pods made a second while the watchers' lag is measured
LISTED = 5000
HELD = 10_000  # pods in memory for the last figure
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
USER, USER_TOKEN = "bench", "bench-token"
RBAC = "rbac.authorization.k8s.io/v1"
PODS_PATH = "/api/v1/namespaces/default/pods"


def load_module(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


servers = load_module("bench_servers", HERE.parent / "integration" / "conftest.py")
load = load_module("bench_load", HERE / "load.py")


def pod(name: str) -> bytes:
    tree = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "bench", "tier": "web"}},
        "spec": {
            "nodeName": "bench-node",
            "containers": [
                {
                    "name": "main",
                    "image": "registry.example.com/team/application:1.2.3",
                    "command": ["/bin/server", "--listen=:8080", "--verbose"],
                    "env": [
                        {"name": "MODE", "value": "production"},
                        {"name": "REGION", "value": "eu-1"},
                    ],
                    "ports": [{"containerPort": 8080, "name": "http"}],
                    "resources": {
                        "requests": {"cpu": "100m", "memory": "64Mi"},
                        "limits": {"memory": "128Mi"},
                    },
                    "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
                }
            ],
        },
    }
    return json.dumps(tree, separators=(",", ":")).encode()


class Meter:
    """Processor seconds and memory of a process, from /proc."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def cpu(self) -> float:
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def rss_mib(self) -> float:
        for line in Path(f"/proc/{self._pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0.0


def say(what: str, figure: str, upstream: str, goal: str) -> None:
    print(f"{what:<34} {figure:<46} upstream {upstream:<28} goal {goal}", flush=True)


class Costs:
    """Processor time of the server and of this process, for each of some requests."""

    def __init__(self, server: Meter) -> None:
        self._meters = (server, Meter(os.getpid()))
        self._before = [meter.cpu() for meter in self._meters]

    def each(self, count: int) -> str:
        after = [meter.cpu() for meter in self._meters]
        server, load = (
            (now - then) / max(1, count) * 1e6
            for now, then in zip(after, self._before, strict=True)
        )
        return f"({server:,.0f} µs CPU, load {load:,.0f})"


async def bench_create(target: object, meter: Meter, names: list[str], watched: str = "") -> None:
    requests = [target.request("POST", PODS_PATH, pod(name)) for name in names]
    costs = Costs(meter)
    figures = await target.run(CONNECTIONS, requests, expect=201)
    say(
        f"create, {CONNECTIONS} connections{watched}",
        f"{figures.rate:,.0f}/s p50 {figures.percentile(0.5):.1f} ms "
        f"p99 {figures.percentile(0.99):.1f} ms {costs.each(len(names))}"
        + (f" {figures.failures} FAILED" if figures.failures else ""),
        "1,248/s p50 11.4 p99 61",
        "1,500/s (aim 2,500)",
    )


async def bench_get(target: object, meter: Meter, name: str, seconds: float) -> None:
    request = target.request("GET", f"{PODS_PATH}/{name}")
    costs = Costs(meter)
    figures = await target.run(CONNECTIONS, lambda: request, seconds=seconds)
    say(
        f"get, consistent, {CONNECTIONS} connections",
        f"{figures.rate:,.0f}/s p50 {figures.percentile(0.5):.1f} ms "
        f"{costs.each(len(figures.latencies))}",
        "3,612/s",
        "6,000/s (aim 8,000)",
    )


async def bench_list(target: object, meter: Meter, count: int, seconds: float) -> None:
    request = target.request("GET", PODS_PATH)
    costs = Costs(meter)
    figures = await target.run(LIST_CONNECTIONS, lambda: request, seconds=seconds)
    say(
        f"list of {count:,} pods, {LIST_CONNECTIONS} connections",
        f"{figures.rate:.1f}/s {figures.bytes / figures.seconds / 1e6:,.0f} MB/s "
        f"{costs.each(len(figures.latencies))}",
        "8.7/s of 6,253 = 130 MB/s",
        "25/s (aim 40)",
    )


async def bench_watch(target: object, meter: Meter, names: list[str]) -> None:
    path = f"{PODS_PATH}?watch=true"
    watchers = [await target.watch(path) for _ in range(WATCHERS)]
    first = await _settled(watchers)
    started = time.perf_counter()
    await bench_create(target, meter, names, f" + {WATCHERS} watchers")
    wanted = first + len(names)
    deadline = time.perf_counter() + 60
    while any(one.lines < wanted for one in watchers) and time.perf_counter() < deadline:
        await asyncio.sleep(0.01)
    seconds = time.perf_counter() - started
    delivered = sum(one.lines for one in watchers) - first * WATCHERS
    for one in watchers:
        one.transport.close()
    say(
        f"watch fan-out, {WATCHERS} watchers",
        f"{delivered / seconds:,.0f} events/s ({delivered:,} in {seconds:.2f} s)",
        "60,200/s",
        "100,000/s (aim 150,000)",
    )


async def bench_lag(target: object, names: list[str]) -> None:
    """How much later than its creator the last of many watchers hears of a pod.

    Pods are made one at a time, so the Nth line of each watch is the Nth pod's. An event's lag runs from
    the creator's answer, which etcd's commit precedes by less than a millisecond, to the moment the last
    watcher has read the line; 0 when all had it before. Watchers and creator are this one process, so
    what it takes to read that many lines is in it.
    """
    watchers = [await target.watch(f"{PODS_PATH}?watch=true") for _ in range(WATCHERS)]
    await _settled(watchers)
    for one in watchers:
        one.stamps = []
    answered: list[float] = []
    for name in names:
        due = time.perf_counter() + 1 / LAG_RATE
        await target.run(1, [target.request("POST", PODS_PATH, pod(name))], expect=201)
        answered.append(time.perf_counter())
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
    deadline = time.perf_counter() + 60
    while any(len(one.stamps) < len(names) for one in watchers):
        assert time.perf_counter() < deadline, "the watchers did not hear of every pod"
        await asyncio.sleep(0.01)
    lags = [
        max(0.0, max(one.stamps[index] for one in watchers) - at)
        for index, at in enumerate(answered)
    ]
    for one in watchers:
        one.transport.close()
    say(
        f"watch lag of the last of {WATCHERS}",
        f"p50 {load.percentile(lags, 0.5) * 1e3:.1f} ms p99 {load.percentile(lags, 0.99) * 1e3:.1f} ms "
        f"({len(names)} pods, up to {LAG_RATE}/s)",
        "-",
        "p99 100 ms",
    )


async def _settled(watchers: list[object]) -> int:
    """How many events each watcher begins with, once they all have them."""
    deadline = time.perf_counter() + 60
    before = -1
    while time.perf_counter() < deadline:
        await asyncio.sleep(0.5)
        counts = {one.lines for one in watchers}
        if len(counts) == 1 and counts == {before} and before > 0:
            return before
        before = counts.pop()
    raise RuntimeError("the watchers never settled")


async def bench_delete(target: object, meter: Meter, count: int) -> None:
    request = target.request("DELETE", f"{PODS_PATH}?gracePeriodSeconds=0")
    costs = Costs(meter)
    figures = await target.run(1, [request])
    say(
        f"deletecollection of {count:,} pods",
        f"{count / figures.seconds:,.0f}/s {costs.each(count)}",
        "250/s",
        "600/s (aim 1,500)",
    )


def secure(folder: Path) -> list[str]:
    """The flags of a server with everything on."""
    rule = {"level": "Metadata", "omitStages": ["RequestReceived"]}
    policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [rule]}
    key = base64.b64encode(os.urandom(32)).decode()
    sealing = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [
            {
                "resources": ["secrets"],
                "providers": [{"secretbox": {"keys": [{"name": "k", "secret": key}]}}],
            }
        ],
    }
    (folder / "audit.json").write_text(json.dumps(policy))
    (folder / "encryption.json").write_text(json.dumps(sealing))
    (folder / "tokens.csv").write_text(
        f'{servers.TOKEN},admin,1,"system:masters"\n{USER_TOKEN},{USER},2\n'
    )
    return [
        "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
        f"--token-auth-file={folder}/tokens.csv", f"--audit-policy-file={folder}/audit.json",
        f"--audit-log-path={folder}/audit.log",
        f"--encryption-provider-config={folder}/encryption.json",
    ]  # fmt: skip


async def prepare(target: object) -> None:
    """What pods need, and the right of the user to make them."""
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
    binding = {
        "kind": "ClusterRoleBinding",
        "apiVersion": RBAC,
        "metadata": {"name": "bench"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "bench",
        },
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}],
    }
    role = {
        "kind": "ClusterRole",
        "apiVersion": RBAC,
        "metadata": {"name": "bench"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}],
    }
    for path, tree in (
        ("/api/v1/namespaces/default/serviceaccounts", account),
        (f"/apis/{RBAC}/clusterroles", role),
        (f"/apis/{RBAC}/clusterrolebindings", binding),
    ):
        request = target.request("POST", path, json.dumps(tree).encode())
        await target.run(1, [request], expect=201)


async def measure_secured(server: object, options: argparse.Namespace) -> None:
    assert server.process is not None
    meter = Meter(server.process.pid)
    await prepare(load.Target("127.0.0.1", server.port, servers.TOKEN))
    target = load.Target("127.0.0.1", server.port, USER_TOKEN)
    print("with everything on:")
    count = min(options.pods, LISTED)
    await bench_create(target, meter, [f"pod-{index}" for index in range(count)])
    seconds = 2.0 if options.quick else 5.0
    await bench_get(target, meter, "pod-7", seconds)
    await bench_list(target, meter, count, seconds)


async def measure(server: object, options: argparse.Namespace, start_seconds: float) -> None:
    assert server.process is not None
    meter = Meter(server.process.pid)
    target = load.Target("127.0.0.1", server.port, servers.TOKEN)
    say("start to /readyz", f"{start_seconds:.2f} s", "2.5 s", "1.5 s (aim 1.0)")
    say("RSS, empty", f"{meter.rss_mib():.0f} MiB", "279 MiB", "100 MiB (aim 80)")
    await prepare(target)
    count = options.pods
    seconds = 2.0 if options.quick else 5.0
    names = [f"pod-{index}" for index in range(count)]
    await bench_create(target, meter, names[:LISTED])
    await bench_get(target, meter, "pod-7", seconds)
    await bench_list(target, meter, min(count, LISTED), seconds)
    if count > LISTED:
        await fill(target, names[LISTED:])
        await bench_list(target, meter, count, seconds)
    watched = min(count, 1000 if options.quick else 3000)
    await bench_watch(target, meter, [f"watched-{index}" for index in range(watched)])
    lagging = 100 if options.quick else 500
    await bench_lag(target, [f"lagging-{index}" for index in range(lagging)])
    held = count + watched + lagging
    if held < HELD and not options.quick:
        await fill(target, [f"held-{index}" for index in range(HELD - held)])
        held = HELD
    say(
        "RSS, after the load",
        f"{meter.rss_mib():.0f} MiB with {held:,} pods",
        "813 MiB with 6,253",
        "270 MiB (aim 200)",
    )
    await bench_delete(target, meter, held)


async def fill(target: object, names: list[str]) -> None:
    """Make pods that no figure is taken of."""
    requests = [target.request("POST", PODS_PATH, pod(name)) for name in names]
    figures = await target.run(CONNECTIONS, requests, expect=201)
    assert not figures.failures, "a pod was not made"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about 15 seconds")
    parser.add_argument("--pods", type=int, default=0)
    parser.add_argument("--no-fsync", action="store_true", help="etcd in memory-like mode")
    options = parser.parse_args()
    options.pods = options.pods or (1000 if options.quick else 6253)
    with servers.running_etcd(fsync=not options.no_fsync) as etcd:
        started = time.perf_counter()
        with servers.running_apiserver(etcd) as server:
            start_seconds = time.perf_counter() - started
            uvloop.run(measure(server, options, start_seconds))
    with tempfile.TemporaryDirectory(prefix="wherry-bench-") as folder:
        flags = secure(Path(folder))
        with (
            servers.running_etcd(fsync=not options.no_fsync) as etcd,
            servers.running_apiserver(etcd, *flags) as server,
        ):
            uvloop.run(measure_secured(server, options))


if __name__ == "__main__":
    main()
