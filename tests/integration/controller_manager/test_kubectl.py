"""An unmodified kubectl: rollouts of StatefulSets and Deployments, Jobs of CronJobs, drains."""

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
from tests.integration.controller_manager.test_workloads import workload
from wherry.api.apps_v1 import Deployment, ReplicaSet, StatefulSet
from wherry.api.batch_v1 import CronJob
from wherry.api.core_v1 import Endpoints, Node, Pod
from wherry.api.policy_v1 import PodDisruptionBudget

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


async def test_a_paused_rollout_waits(cluster, kubectl):
    await cluster.node("kept", labels={"kept": "yes"})
    async with cluster.kubelets("kept", beating=False):
        await cluster.make(Deployment, "web", **workload(replicas=2))
        await kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        await kubectl("rollout", "pause", "deployment/web")
        await kubectl("set", "image", "deployment/web", "c=app:2")
        await kubectl("scale", "deployment/web", "--replicas=3")

        async def scaled():
            return [s.status.available_replicas for s in await cluster.list(ReplicaSet)] == [3]

        await until(scaled)  # a paused Deployment is scaled, and makes nothing new
        await kubectl("rollout", "resume", "deployment/web")
        await kubectl("rollout", "status", "deployment/web", "--timeout=60s")

        async def replaced():  # the last old pod is still on its way out when the rollout is done
            return {pod.spec.containers[0].image for pod in await cluster.list(Pod)} == {"app:2"}

        await until(replaced)
        await kubectl("expose", "deployment/web", "--port=80", "--target-port=http")

        async def behind():
            made = await cluster.get(Endpoints, "web")
            return made is not None and sum(len(s.addresses) for s in made.subsets) == 3

        await until(behind)
        await kubectl("autoscale", "deployment/web", "--min=1", "--max=2", "--cpu-percent=50")
        await kubectl(
            "wait", "--for=jsonpath={.spec.replicas}=2", "deployment/web", "--timeout=60s"
        )
    await cluster.client.delete(Node, "kept")


async def test_drain_asks_the_budget(cluster, kubectl):
    """One node is emptied pod by pod: never more are away than the budget lets go."""
    for name in ("left", "right"):
        await cluster.node(name)
    least = 3
    async with cluster.kubelets("left", "right", beating=False):
        budget = {"minAvailable": least, "selector": {"matchLabels": {"app": "web"}}}
        await cluster.make(PodDisruptionBudget, "web", spec=budget)
        await cluster.make(Deployment, "web", **workload(replicas=4))
        await kubectl("rollout", "status", "deployment/web", "--timeout=60s")

    seen: list[int] = []

    async def live() -> None:
        """The kubelets, of which the drained one gets nothing new."""
        await cluster.run_pods("right")
        for pod in await cluster.list(Pod):
            if pod.metadata.deletion_timestamp and pod.spec.node_name == "left":
                await cluster.client.delete(
                    Pod, pod.metadata.name, cluster.namespace,
                    grace_period_seconds=0, uid=pod.metadata.uid,
                )  # fmt: skip
        pods = await cluster.list(Pod)
        seen.append(
            sum(p.status.phase == "Running" and not p.metadata.deletion_timestamp for p in pods)
        )

    await kubectl("cordon", "left")
    assert (await cluster.get(Node, "left")).spec.unschedulable
    async with meanwhile(live):
        await kubectl("drain", "left", "--timeout=60s")
        assert {pod.spec.node_name for pod in await cluster.list(Pod)} <= {"right", ""}
        await kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=60s")
    assert min(seen) >= least
    await kubectl("uncordon", "left")
    await kubectl("taint", "nodes", "right", "gone=yes:NoExecute")

    async def evicted():
        return any(p.metadata.deletion_timestamp for p in await cluster.list(Pod))

    await until(evicted)
    for name in ("left", "right"):
        await cluster.client.delete(Node, name)
