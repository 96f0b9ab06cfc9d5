"""The controller manager is killed again and again amid its work, at seeded random moments."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections import Counter

import pytest

from tests.integration.controller_manager.conftest import Cluster, until
from tests.integration.controller_manager.test_jobs import INDEX, TRACKING, end, work
from tests.integration.controller_manager.test_stateful_sets import database, has
from wherry.api.apps_v1 import StatefulSet
from wherry.api.batch_v1 import Job
from wherry.api.core_v1 import Pod

COMPLETIONS = 24
PARALLELISM = 6
KILLS = 3


@contextlib.asynccontextmanager
async def killing(start, seed):
    """Managers one after the other, as long as the test's question is open; the last one lives."""
    dice = random.Random(seed)

    async def kill() -> None:
        for _ in range(KILLS):
            manager = start("--leader-elect=false")
            await until(lambda manager=manager: is_listening(manager))
            await asyncio.sleep(dice.uniform(0.0, 0.6))
            manager.stop(signal.SIGKILL)
        start("--leader-elect=false")

    task = asyncio.create_task(kill())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def is_listening(manager) -> bool:
    """Up to listening; the death comes soon after."""
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", manager.port)
        writer.close()
        return True
    return False


@pytest.mark.parametrize("seed", [20261121])
@pytest.mark.parametrize("mode", ["Indexed", "NonIndexed"])
async def test_a_job_counts_each_pod_once(own: Cluster, start, mode, seed):
    print(f"seed {seed}")
    spec = {"completions": COMPLETIONS, "parallelism": PARALLELISM, "completionMode": mode}
    await own.make(Job, "sum", **work(**spec))
    dice = random.Random(seed)
    succeeded: Counter[str] = Counter()

    async def live() -> Job | None:
        pods = await own.list(Pod)
        active = [
            p for p in pods if p.status.phase == "Pending" and not p.metadata.deletion_timestamp
        ]
        assert len(active) <= PARALLELISM
        if mode == "Indexed":
            indexes = Counter(pod.metadata.annotations[INDEX] for pod in active)
            assert max(indexes.values(), default=0) <= 1, f"an index runs twice: {indexes}"
        for pod in active:
            if dice.random() < 0.3:
                await end(own, pod)
                succeeded[pod.metadata.annotations.get(INDEX, pod.metadata.uid)] += 1
        job = await own.get(Job, "sum")
        done = any(c.type == "Complete" for c in job.status.conditions)
        return job if done and not active else None

    async with killing(start, seed):
        job = await until(live, 60)
    assert job.status.succeeded == COMPLETIONS
    assert (job.status.failed, job.status.active) == (0, 0)
    assert len(succeeded) == COMPLETIONS
    assert set(succeeded.values()) == {1}
    pods = await own.list(Pod)
    assert len(pods) == COMPLETIONS
    assert not any(TRACKING in pod.metadata.finalizers for pod in pods)


async def test_a_stateful_set_is_updated_in_order(own: Cluster, start):
    await own.make(StatefulSet, "db", **database())
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "db:2"}]}}}}
    seen: set[str] = set()

    async def updated() -> bool:
        if not seen and await has(own, "db:1", 3):
            seen.add("first")
            await own.client.patch(StatefulSet, "db", own.namespace, patch, type="strategic")
        if not seen:
            return False
        up = [p for p in await own.list(Pod) if p.metadata.deletion_timestamp is None]
        assert len(up) >= 2
        return await has(own, "db:2", 3)

    async with killing(start, 3):
        await until(updated, 60)
