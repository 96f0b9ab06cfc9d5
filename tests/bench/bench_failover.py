"""The timeline of a failover: from a machine's death to its pods running elsewhere, step by step.

    python -m tests.bench.bench_failover [--rounds 3]

Makes a lab of three machines with the fast profile, two of which also run a controller manager and a
scheduler; switches off a machine with one replica of a Deployment, `--rounds` times a plain one and as
often the one whose controller manager leads; and prints when each step was seen by a watcher, in
seconds after the power went. Needs root. WHERRY_LOGS names a folder for the daemons' logs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy import lab, launch, outages
from deploy.image import busybox_archive
from tests.e2e.conftest import keep_logs
from wherry.api.apps_v1 import Deployment
from wherry.api.coordination_v1 import Lease
from wherry.api.core_v1 import Node, Pod, ServiceAccount
from wherry.api.errors import ApiError
from wherry.client import kubeconfig
from wherry.client.informer import Informer
from wherry.client.rest import Client

IMAGE = "wherry-hello:1"
SECONDS_MAX = 120.0
POLL_SECONDS = 0.02
STEPS = (
    "last Lease renewed", "another leads", "node NotReady", "taint NoExecute", "pod evicted",
    "new pod made", "bound", "running", "ready",
)  # fmt: skip
RENEWED_EVERY_SECONDS = 2.0
GOAL, AIM = 15.0, 8.0
LEADER_LEASE = ("kube-system", "kube-controller-manager")


@dataclass
class Timeline:
    """When each step was first seen, by the monotonic clock. Watches one machine's replica."""

    machine: str
    app: str
    seen: dict[str, float] = field(default_factory=dict)
    old: set[str] = field(default_factory=set)
    holder: str = ""

    def note(self, step: str, when: bool = True) -> None:
        if when:
            self.seen.setdefault(step, time.monotonic())

    def lease(self, before: Lease | None, after: Lease | None) -> None:
        if before is None or after is None:
            return
        if after.metadata.name == self.machine:
            self.seen["last Lease renewed"] = time.monotonic()
        elif (after.metadata.namespace, after.metadata.name) == LEADER_LEASE and self.holder:
            now = after.spec.holder_identity or ""
            self.note("another leads", bool(now) and now != self.holder)

    def node(self, before: Node | None, after: Node | None) -> None:
        if after is None or after.metadata.name != self.machine:
            return
        ready = {c.type: c.status for c in after.status.conditions}.get("Ready")
        self.note("node NotReady", ready == "Unknown")
        self.note("taint NoExecute", any(t.effect == "NoExecute" for t in after.spec.taints))

    def pod(self, before: Pod | None, after: Pod | None) -> None:
        if after is None or after.metadata.labels.get("app") != self.app:
            return
        if after.metadata.uid in self.old:
            lost = after.spec.node_name == self.machine
            self.note("pod evicted", lost and after.metadata.deletion_timestamp is not None)
            return
        self.note("new pod made")
        self.note("bound", bool(after.spec.node_name))
        self.note("running", after.status.phase == "Running")
        self.note("ready", is_ready(after))


def is_ready(pod: Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions)


async def until(what: Callable[[], Awaitable[Any]], why: str) -> Any:
    deadline = time.monotonic() + SECONDS_MAX
    while not (answer := await what()):
        if time.monotonic() > deadline:
            raise SystemExit(f"{why}: not within {SECONDS_MAX:.0f} s")
        await asyncio.sleep(POLL_SECONDS)
    return answer


def deployment(name: str) -> Deployment:
    labels = {"app": name}
    spread = {
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": labels},
    }  # fmt: skip
    pod = {
        "terminationGracePeriodSeconds": 1,
        "topologySpreadConstraints": [spread],
        "containers": [{"name": "c", "image": IMAGE, "command": ["sleep", "1000"]}],
    }
    return Deployment.from_wire(
        {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        }
    )


class Bench:
    """A lab and a client of it."""

    def __init__(self, directory: Path, client: Client) -> None:
        self.directory = directory
        self.client = client
        self.lab = lab.Lab.read(directory)

    async def pods(self, app: str) -> list[Pod]:
        found = await self.client.list(Pod, namespace="default", label_selector=f"app={app}")
        return found.items

    async def leader(self) -> str:
        lease = await self.client.get(Lease, LEADER_LEASE[1], LEADER_LEASE[0])
        for machine in ("control-plane", *self.lab.wires.machines):
            log = self.directory / machine / "logs" / "controller-manager.log"
            if log.exists() and f"{lease.spec.holder_identity} leads" in log.read_text():
                return machine
        return ""

    async def lead_from_a_machine(self, wanted: bool) -> str:
        """The machine to switch off: the leader's, or one that does not lead."""
        machines = self.lab.wires.machines
        if not wanted:
            leads = await self.leader()
            return next(one for one in machines if one != leads)
        while (found := await self.leader()) not in machines:
            state = launch.read_state(self.lab.state) or {"daemons": {}}
            if found == "control-plane":
                os.kill(state["daemons"]["controller-manager"]["pid"], signal.SIGTERM)
            await asyncio.sleep(1)
        return found

    async def round(self, name: str, *, leading: bool) -> dict[str, float]:
        """Seconds after the power went, by step."""
        victim = await self.lead_from_a_machine(leading)
        await self.client.create(deployment(name))

        async def settled() -> bool:
            found = await self.pods(name)
            return len(found) == 3 and all(is_ready(pod) for pod in found)

        await until(settled, "three pods run")
        line = Timeline(victim, name, old={pod.metadata.uid for pod in await self.pods(name)})
        if leading:
            lease = await self.client.get(Lease, LEADER_LEASE[1], LEADER_LEASE[0])
            line.holder = lease.spec.holder_identity or ""
        async with asyncio.TaskGroup() as tasks:
            informers: list[Informer[Any]] = [
                Informer(self.client, kind) for kind in (Node, Pod, Lease)
            ]
            followers = [tasks.create_task(one.run()) for one in informers]
            handlers: list[Any] = [line.node, line.pod, line.lease]
            for one, handler in zip(informers, handlers, strict=True):
                await one.synced()
                one.add_handler(handler)

            async def renewed() -> bool:
                return "last Lease renewed" in line.seen

            await until(renewed, "the Lease is renewed")
            await asyncio.sleep(random.uniform(0, RENEWED_EVERY_SECONDS))
            power_off = time.monotonic()
            print(
                f"{datetime.now(UTC):%H:%M:%S.%f} {name}: {victim} is switched off", file=sys.stderr
            )
            await asyncio.to_thread(outages.stop, self.directory, victim)

            async def moved() -> bool:
                return "ready" in line.seen

            await until(moved, "the lost pod runs elsewhere")
            for follower in followers:
                follower.cancel()
        await self.client.delete(Deployment, name, "default")
        await asyncio.to_thread(outages.start, self.directory, victim, SECONDS_MAX)

        async def gone() -> bool:
            return not await self.pods(name)

        await until(gone, "the pods are gone")
        return {step: at - power_off for step, at in line.seen.items()}


def show(title: str, rounds: list[dict[str, float]]) -> None:
    print(f"\n{title}: seconds after the power went, {len(rounds)} round(s)")
    print(f"  {'':<22}{'median':>8}{'least':>8}{'most':>8}")
    for step in STEPS:
        times = [one[step] for one in rounds if step in one]
        if times:
            figures = (statistics.median(times), min(times), max(times))
            print(f"  {step:<22}" + "".join(f"{one:8.1f}" for one in figures))
    worst = max(one["ready"] for one in rounds)
    words = [f"{word} {limit:.0f} s {'reached' if worst < limit else 'missed'}"
             for word, limit in (("goal", GOAL), ("aim", AIM))]  # fmt: skip
    print(f"  {', '.join(words)}")


async def measure(directory: Path, rounds: int) -> None:
    async with Client(kubeconfig.load(directory / "admin.kubeconfig")) as client:
        bench = Bench(directory, client)

        async def account() -> bool:
            try:
                return bool(await client.get(ServiceAccount, "default", "default"))
            except ApiError as error:
                return error.code != 404

        await until(account, "the default service account")
        for title, leading in (("a machine dies", False), ("the leader's machine dies", True)):
            name = "led" if leading else "plain"
            found = [await bench.round(f"{name}-{n}", leading=leading) for n in range(rounds)]
            show(title, found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    if os.geteuid() != 0:
        sys.exit("the lab needs root")
    with tempfile.TemporaryDirectory(prefix="wfail", ignore_cleanup_errors=True) as folder:
        directory = Path(folder)
        directory.chmod(0o755)  # the daemons' users have to reach their files in it
        archive = directory / "hello.tar"
        archive.write_bytes(busybox_archive(IMAGE))
        place = directory / "lab"
        try:
            lab.up(place, lab.Shape(3, standby=2), lambda text: None, SECONDS_MAX)
            lab.load(place, archive, lambda text: None)
            asyncio.run(measure(place, rounds))
        finally:
            keep_logs(place)
            lab.down(place)


if __name__ == "__main__":
    main()
