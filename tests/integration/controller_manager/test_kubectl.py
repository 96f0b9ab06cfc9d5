"""An unmodified kubectl with StatefulSets, DaemonSets, CronJobs and Jobs."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess

import pytest

from tests.integration.controller_manager.conftest import until
from tests.integration.controller_manager.test_cron_jobs import tick
from tests.integration.controller_manager.test_jobs import end_active
from tests.integration.controller_manager.test_stateful_sets import database, has
from wherry.api.apps_v1 import StatefulSet
from wherry.api.batch_v1 import CronJob

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on PATH")


@pytest.fixture
def kubectl(cluster, controlled):
    async def run(*arguments: str) -> str:
        flags = [f"--kubeconfig={controlled.kubeconfig}", "-n", cluster.namespace]
        done = await asyncio.to_thread(
            subprocess.run, ["kubectl", *flags, *arguments],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    return run


@contextlib.asynccontextmanager
async def meanwhile(work):
    """Do `work` over and over."""

    async def again() -> None:
        while True:
            await work()
            await asyncio.sleep(0.1)

    task = asyncio.create_task(again())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_rollout_of_a_stateful_set(cluster, kubectl):
    await cluster.make(StatefulSet, "db", **database(replicas=2))
    async with meanwhile(lambda: has(cluster, "", 0)):
        await kubectl("rollout", "status", "sts/db", "--timeout=30s")
        await kubectl("set", "image", "sts/db", "c=db:2")
        await kubectl("rollout", "status", "sts/db", "--timeout=30s")
        await kubectl("rollout", "undo", "sts/db")
        await kubectl("rollout", "status", "sts/db", "--timeout=30s")
        history = await kubectl("rollout", "history", "sts/db")
        assert [line.split()[0] for line in history.splitlines() if line[:1].isdigit()] == [
            "2",
            "3",
        ]
        await until(lambda: has(cluster, "db:1", 2))


async def test_a_job_of_a_cron_job(cluster, kubectl):
    await cluster.make(CronJob, "tick", **tick(schedule="0 0 1 1 *"))
    await kubectl("create", "job", "now", "--from=cronjob/tick")
    async with meanwhile(lambda: end_active(cluster)):
        await kubectl("wait", "--for=condition=Complete", "job/now", "--timeout=30s")
    assert "Complete" in await kubectl("get", "job", "now")
