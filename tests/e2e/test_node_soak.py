"""Pods made, changed and deleted at random while everything is killed: no status lies, nothing is left.

WHERRY_SOAK_SECONDS says how long (a minute), WHERRY_SOAK_SEED repeats a run's dice.
"""

from __future__ import annotations

import os
import random
import time

import pytest

from tests.e2e import soak_shapes
from tests.e2e.soak_driver import Soak
from tests.e2e.soak_world import World
from tests.e2e.support import IMAGE, Cluster
from wherry.client import kubeconfig
from wherry.client.rest import Client

SECONDS = float(os.environ.get("WHERRY_SOAK_SECONDS", "60"))
CHECK_SECONDS = 60.0  # statuses are looked at this often, in quiet
PODS_MAX = 30 if SECONDS < 300 else 100
# Sockets to the API server and to pods come and go; a leak would be of one per pod or fault.
FILES_MORE_MAX, TASKS_MORE_MAX = 20, 10

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(SECONDS * 4 + 900)]


async def test_nothing_lies_and_nothing_is_left(cluster: Cluster, namespace: str) -> None:
    seed = int(os.environ.get("WHERRY_SOAK_SEED", "0")) or random.randrange(1, 1 << 32)
    print(f"\nWHERRY_SOAK_SEED={seed} for {SECONDS:.0f} s")
    world = World(cluster, cluster.machines[-1])
    world.docker("tag", IMAGE, soak_shapes.OTHER_IMAGE)
    before = world.gauges()
    assert len(before) == 3, before
    async with Client(kubeconfig.load(cluster.kubeconfig), user_agent="soak") as client:
        soak = Soak(world, client, random.Random(seed), namespace, PODS_MAX)
        await soak.prepare()
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            await soak.run(min(CHECK_SECONDS, ends - time.monotonic()))
            took = await soak.until(soak.untrue)
            print(f"{len(await soak.pods())} pods, every status true after {took:.1f} s")
        await soak.clear()
        took = await soak.until(soak.left)
        print(f"nothing left after {took:.1f} s; {dict(sorted(soak.done.items()))}")

        async def too_much() -> list[str]:
            now = world.gauges()
            allowed = {"wherry_kubelet_tasks": TASKS_MORE_MAX, "process_open_fds": FILES_MORE_MAX}
            return [
                f"{name}: {now.get(name)} after {value}"
                for name, value in before.items()
                if name not in now or now[name] > value + allowed.get(name, 0)
            ]

        await soak.until(too_much)
