"""Figures of the network: Services against direct connections, pods against hosts, changes against time.

    python -m tests.bench.bench_network [--seconds 4] [--services 10,1000,5000] [--changes 20]
                                        [--rest 20] [--no-dns]

Makes a lab of three machines and prints one line per figure. Servers and clients run in the networks
of pods, and of machines for comparison; the way of a change is timed from the API call until `nft
monitor` shows the new endpoint on the last machine. Needs root. Run with `make bench-network`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.image import busybox_archive
from tests.e2e.network.net import Net, server
from tests.e2e.support import IMAGE, Cluster, run, wait, wherry_program
from wherry.api.core_v1 import Service
from wherry.api.discovery_v1 import EndpointSlice
from wherry.client.kubeconfig import load
from wherry.client.rest import Client

ENDS = str(Path(__file__).with_name("network_ends.py"))
PORT = 9100
TICKS = os.sysconf("SC_CLK_TCK")
PARALLEL = 16  # Services made at a time
CHANGE_SECONDS_MAX = 60.0
SETTLE_SECONDS_MAX = 300.0
SETTLE_SECONDS = 3.0


def say(what: str, value: str) -> None:
    print(f"{what:<58} {value}", flush=True)


@contextmanager
def lab(nodes: int) -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="wbench") as directory:
        cluster = Cluster(Path(directory))
        image = Path(directory) / "image.tar"
        image.write_bytes(busybox_archive(IMAGE))
        try:
            run(wherry_program(), "lab", "up", "--nodes", str(nodes), "--dir", directory)
            run(wherry_program(), "lab", "load", str(image), "--dir", directory)
            yield cluster
        finally:
            run(wherry_program(), "lab", "down", "--dir", directory, check=False)


@dataclass(frozen=True)
class Places:
    """Command lines that lead into a pod's or a machine's network, and the addresses there."""

    net: Net

    def into(self, place: str) -> tuple[str, ...]:
        if place in self.net.cluster.machines:
            space = self.net.cluster.lab.wires.namespace(place)
            return ("nsenter", f"--net=/run/netns/{space}")
        return self.net.inside(place)

    def address(self, place: str) -> str:
        if place in self.net.cluster.machines:
            return self.net.cluster.lab.wires.address(place)
        return self.net.addresses[place]

    def end(self, place: str, *words: str) -> Any:
        """The figures that a client there prints."""
        command = [*self.into(place), sys.executable, ENDS, *words]
        return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)

    @contextmanager
    def serving(self, place: str) -> Iterator[None]:
        command = [*self.into(place), sys.executable, ENDS, "serve", str(PORT)]
        with subprocess.Popen(command) as process:
            try:
                wait(lambda: self._answers(place), f"the server in {place}")
                yield
            finally:
                process.kill()

    def _answers(self, place: str) -> bool:
        words = ("connect", "0.2", "1", self.address(place), str(PORT))
        command = [*self.into(place), sys.executable, ENDS, *words]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def data_path(places: Places, seconds: float) -> None:
    """Connections directly and by the Service, on the same machine and across; one stream's rate."""
    net = places.net
    near, far = net.machines[:2]
    ports = [{"port": 80, "targetPort": PORT}]
    targets = {"same machine": "web-1", "other machine": "web-2"}
    addresses = {
        pod: net.service(f"bench-{pod}", ports=ports, selector={"app": "web", "n": pod[-1]})[0]
        for pod in targets.values()
    }
    with ExitStack() as stack:
        for place in (*targets.values(), far):
            stack.enter_context(places.serving(place))
        for where, pod in targets.items():
            direct = (places.address(pod), str(PORT))
            service = (addresses[pod], "80")
            wait(lambda to=service: _reached(places, *to), "the Service")
            for threads in ("1", "8"):
                both = places.end("client-1", "connect", str(seconds), threads, *direct, *service)
                for name, found in zip(("by pod address", "by ClusterIP"), both, strict=True):
                    say(
                        f"connections, {where}, {threads} at a time, {name}",
                        f"{found['per_second']:,.0f}/s, p50 {found['p50_ms']:.2f} ms,"
                        f" p99 {found['p99_ms']:.2f} ms, {found['failed']} failed",
                    )
        for name, source, target in (
            ("pod → pod, other machine", "client-1", "web-2"),
            ("pod → pod, same machine", "client-1", "web-1"),
            ("host → host", near, far),
        ):
            found = places.end(source, "pour", places.address(target), str(PORT), str(seconds))
            say(f"one TCP stream, {name}", f"{found['gbit_per_second']:.1f} Gbit/s")


def _reached(places: Places, address: str, port: str) -> bool:
    try:
        return bool(places.end("client-1", "connect", "0.2", "1", address, port)[0]["failed"] == 0)
    except subprocess.CalledProcessError:
        return False


# -- from a change to the rules


def slice_of(name: str, address: str) -> EndpointSlice:
    return EndpointSlice.from_wire(
        {
            "metadata": {
                "name": name, "namespace": "default",
                "labels": {"kubernetes.io/service-name": name},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address]}],
            "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
        }
    )  # fmt: skip


async def grow(client: Client, first: int, last: int) -> None:
    """Services `s<first>` ... with an endpoint each."""
    waiting = asyncio.Queue[int]()
    for number in range(first, last):
        waiting.put_nowait(number)

    async def work() -> None:
        while not waiting.empty():
            number = waiting.get_nowait()
            name = f"s{number}"
            tree = {
                "metadata": {"name": name, "namespace": "default"},
                "spec": {"ports": [{"port": 80}]},
            }
            await client.create(Service.from_wire(tree))
            await client.create(slice_of(name, f"10.200.{number // 250}.{1 + number % 250}"))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(PARALLEL):
            tasks.create_task(work())


class Watched:
    """`nft monitor` on every machine, from before there are many rules: it reads all of them first."""

    def __init__(self, machines: Sequence[str]) -> None:
        self._seen: dict[str, dict[str, float]] = {machine: {} for machine in machines}
        self._news = asyncio.Condition()

    async def follow(self, machine: str, command: Sequence[str]) -> None:
        """Note when each new endpoint became a rule; until cancelled."""
        process = await asyncio.create_subprocess_exec(
            *command, "nft", "monitor", "new", "rules",
            stdout=asyncio.subprocess.PIPE, limit=1 << 24,
        )  # fmt: skip
        try:
            assert process.stdout
            async for line in process.stdout:
                _, found, place = line.decode().partition("dnat to ")
                if found:
                    async with self._news:
                        self._seen[machine][place.split(":")[0]] = time.perf_counter()
                        self._news.notify_all()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def everywhere(self, address: str) -> float:
        """When it was a rule on the last machine."""
        async with asyncio.timeout(CHANGE_SECONDS_MAX), self._news:
            await self._news.wait_for(lambda: all(address in one for one in self._seen.values()))
        return max(one[address] for one in self._seen.values())


async def changes(cluster: Cluster, places: Places, counts: list[int], repeats: int) -> None:
    """The time from an endpoint's change until it is a rule on all machines."""
    watched = Watched(cluster.machines)
    following = [
        asyncio.create_task(watched.follow(machine, places.into(machine)))
        for machine in cluster.machines
    ]
    made = 0
    try:
        async with Client(load(Path(cluster.kubeconfig)), user_agent="bench") as client:
            for count in counts:
                await grow(client, made, count)
                made = count
                await asyncio.to_thread(settled, cluster, count)
                await asyncio.sleep(SETTLE_SECONDS)
                await round_of(client, cluster, watched, count, repeats)
    finally:
        for one in following:
            one.cancel()
        await asyncio.gather(*following, return_exceptions=True)


async def round_of(
    client: Client, cluster: Cluster, watched: Watched, count: int, repeats: int
) -> None:
    before = {m: cpu_seconds(cluster, f"{m}/proxy") for m in cluster.machines}
    written = {m: written_bytes(cluster, m) for m in cluster.machines}
    taken = [await one_change(client, watched, count, number) for number in range(repeats)]
    cpu = [cpu_seconds(cluster, f"{m}/proxy") - before[m] for m in cluster.machines]
    size = [written_bytes(cluster, m) - written[m] for m in cluster.machines]
    say(
        f"an endpoint's change → rule on {len(cluster.machines)} machines, {count:,} Services",
        f"p50 {1000 * statistics.median(taken):.0f} ms, worst {1000 * max(taken):.0f} ms;"
        f" per change {1000 * max(cpu) / repeats:.1f} ms CPU (nft's, too) and"
        f" {max(size) / repeats:,.0f} bytes on a machine",
    )


def settled(cluster: Cluster, count: int) -> None:
    """Wait until every machine has all Services."""

    def look() -> bool:
        rules = [
            cluster.on(m, "nft", "list", "map", "ip", "wherry", "services")
            for m in cluster.machines
        ]
        return all(text.count("goto service-") >= count for text in rules)

    wait(look, f"{count} Services everywhere", SETTLE_SECONDS_MAX, every=1.0)


async def one_change(client: Client, watched: Watched, count: int, number: int) -> float:
    name = f"s{(number * 7919) % count}"
    address = f"10.201.{count // 100}.{1 + number}"
    live = await client.get(EndpointSlice, name, "default")
    begun = time.perf_counter()
    await client.update(live.with_(endpoints=slice_of(name, address).endpoints))
    return await watched.everywhere(address) - begun


def written_bytes(cluster: Cluster, machine: str) -> float:
    text = cluster.on(machine, "curl", "-s", "http://127.0.0.1:10249/metrics")
    lines = (
        line for line in text.splitlines() if line.startswith("wherry_proxy_written_bytes_total")
    )
    return float(next(lines).split()[1])


# -- at rest


def cpu_seconds(cluster: Cluster, daemon: str) -> float:
    fields = Path(f"/proc/{cluster.daemon_pid(daemon)}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS  # its own and its ended children's


def rss_mib(cluster: Cluster, daemon: str) -> float:
    status = Path(f"/proc/{cluster.daemon_pid(daemon)}/status").read_text()
    [line] = [one for one in status.splitlines() if one.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def rest(cluster: Cluster, seconds: float, services: int) -> None:
    daemons = {"proxy": f"{cluster.machines[0]}/proxy", "dns": "dns"}
    before = {name: cpu_seconds(cluster, one) for name, one in daemons.items()}
    time.sleep(seconds)
    for name, one in daemons.items():
        share = 100 * (cpu_seconds(cluster, one) - before[name]) / seconds
        say(
            f"{name} at rest, {services:,} Services",
            f"{share:.2f} % of a core, {rss_mib(cluster, one):.0f} MiB",
        )


def main() -> None:
    flags = argparse.ArgumentParser()
    flags.add_argument("--seconds", type=float, default=4.0)
    flags.add_argument("--services", default="10,1000,5000")
    flags.add_argument("--changes", type=int, default=20)
    flags.add_argument("--rest", type=float, default=20.0)
    flags.add_argument("--nodes", type=int, default=3)
    flags.add_argument("--no-dns", action="store_true")
    options = flags.parse_args()
    with lab(options.nodes) as cluster:
        rest(cluster, options.rest, 2)
        net = Net(cluster, "default")
        wait(
            lambda: "default" in net.kubectl("get", "sa", "-o", "name", check=False), "the account"
        )
        net.apply(
            *(server(f"{role}-{n}", machine, {"app": role, "n": str(n)})
              for n, machine in enumerate(net.machines, 1) for role in ("web", "client"))
        )  # fmt: skip
        net.kubectl("wait", "--for=condition=Ready", "pods", "--all", "--timeout=90s")
        places = Places(net)
        data_path(places, options.seconds)
        counts = [int(one) for one in options.services.split(",")]
        asyncio.run(changes(cluster, places, counts, options.changes))
        rest(cluster, options.rest, counts[-1])
    if not options.no_dns:
        subprocess.run([sys.executable, "-m", "tests.bench.bench_dns"], check=True)


if __name__ == "__main__":
    main()
