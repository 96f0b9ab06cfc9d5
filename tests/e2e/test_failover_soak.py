"""Machines cut off, slowed, switched off and killed at random: never two of one ordinal, and all heals.

Runs when WHERRY_FAILOVER_SOAK_SECONDS says how long (`make soak`); WHERRY_SOAK_SEED repeats a run's dice.
Every machine fences itself, so that ordinals are given up while machines live that nobody can reach.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy import lab, outages
from deploy.faults import HUB, Slow
from tests.e2e.conftest import keep_logs
from tests.e2e.support import Cluster, wait
from tests.e2e.test_failover import is_ready, pods, workload
from tests.e2e.world import World

SECONDS = float(os.environ.get("WHERRY_FAILOVER_SOAK_SECONDS", "0"))
REPLICAS = 3
HEAL_SECONDS_MAX = 180.0
PAUSE = (1.0, 9.0)  # seconds between two faults
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(SECONDS * 2 + 600),
    pytest.mark.skipif(not SECONDS, reason="WHERRY_FAILOVER_SOAK_SECONDS says how long"),
]


@pytest.fixture(scope="module")
def cluster(hello_archive: Path) -> Iterator[Cluster]:
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    directory = Path(tempfile.mkdtemp(prefix="wsoak"))
    try:
        flags = {"kubelet": ("--self-fencing-after=10s",)}
        lab.up(directory, lab.Shape(3, standby=1), lambda text: None, 120, flags=flags)
        lab.load(directory, hello_archive, lambda text: None)
        yield Cluster(directory)
    finally:
        keep_logs(directory)
        lab.down(directory)


class Chaos:
    """One fault at a time, drawn by the dice; at most one machine is off."""

    def __init__(self, cluster: Cluster, dice: random.Random) -> None:
        self._cluster = cluster
        self._where = cluster.directory
        self._dice = dice
        self.done: dict[str, int] = {}
        self._kinds: dict[str, tuple[int, Callable[[], None]]] = {
            "cut": (4, self.cut),
            "cut pair": (2, self.cut_pair),
            "cut from the control plane": (2, self.cut_hub),
            "slow": (2, self.slow),
            "heal": (4, lambda: outages.heal(self._where)),
            "stop": (2, self.stop),
            "start": (3, self.start),
            "kill": (3, self.kill),
        }

    def any(self) -> str:
        return self._dice.choice(self._cluster.machines)

    def strike(self) -> None:
        names = list(self._kinds)
        name = self._dice.choices(names, [self._kinds[one][0] for one in names])[0]
        self.done[name] = self.done.get(name, 0) + 1
        self._kinds[name][1]()

    def cut(self) -> None:
        outages.cut(self._where, self.any())

    def cut_pair(self) -> None:
        outages.cut(self._where, *self._dice.sample(self._cluster.machines, 2))

    def cut_hub(self) -> None:
        outages.cut(self._where, self.any(), HUB)

    def slow(self) -> None:
        machine = self.any()
        if machine not in self._cluster.lab.faults.stopped:
            outages.slow(self._where, machine, Slow(rate=self._dice.choice(("256kbit", "2mbit"))))

    def stop(self) -> None:
        if not self._cluster.lab.faults.stopped:
            outages.stop(self._where, self.any())

    def start(self) -> None:
        for machine in self._cluster.lab.faults.stopped:
            outages.start(self._where, machine, 0, wait=False)

    def kill(self) -> None:
        """A daemon of the control plane, or an engine or a proxy; who fences is spared: it must be back
        within the margin, which a loaded machine can't promise."""
        daemon = self._dice.choice(
            ("apiserver", "controller-manager", "scheduler", "etcd", "dockerd", "proxy")
        )
        name = f"{self.any()}/{daemon}" if daemon in ("dockerd", "proxy") else daemon
        pid = self._cluster.daemon_pid(name)
        if pid:
            os.kill(pid, signal.SIGKILL)


def settled(cluster: Cluster, namespace: str, world: World) -> bool:
    """Every wanted pod is ready, and exactly those run that the API server has."""
    told: dict[str, list[str]] = {}
    for app in ("db", "web"):
        found = pods(cluster, namespace, app)
        if len(found) != REPLICAS or not all(map(is_ready, found)):
            return False
        if any("deletionTimestamp" in pod["metadata"] for pod in found):
            return False
        told |= {pod["metadata"]["name"]: [pod["spec"]["nodeName"]] for pod in found}
    return world.now == told


def test_never_two_of_one_ordinal(cluster: Cluster, namespace: str) -> None:
    seed = int(os.environ.get("WHERRY_SOAK_SEED", "0")) or random.randrange(1, 1 << 32)
    dice = random.Random(seed)
    print(f"\nWHERRY_SOAK_SEED={seed} for {SECONDS:.0f} s")
    parallel = {"replicas": REPLICAS, "serviceName": "db", "podManagementPolicy": "Parallel"}
    cluster.apply(workload("StatefulSet", "db", namespace, **parallel))
    cluster.apply(workload("Deployment", "web", namespace, replicas=REPLICAS))
    ordinals = {f"db-{number}" for number in range(REPLICAS)}
    chaos = Chaos(cluster, dice)
    with World(cluster, namespace) as world:
        wait(lambda: settled(cluster, namespace, world), "the beginning", HEAL_SECONDS_MAX)
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            chaos.strike()
            time.sleep(dice.uniform(*PAUSE))
            assert not ordinals & world.doubled.keys(), world.doubled
        outages.heal(cluster.directory)
        for machine in cluster.machines:
            outages.start(cluster.directory, machine, HEAL_SECONDS_MAX)
        began = time.monotonic()
        wait(lambda: settled(cluster, namespace, world), "all is well again", HEAL_SECONDS_MAX, 1.0)
        print(f"all is well {time.monotonic() - began:.1f} s after healing; {chaos.done}")
        print(f"what ran changed {len(world.history)} times")
        assert not ordinals & world.doubled.keys(), world.doubled
