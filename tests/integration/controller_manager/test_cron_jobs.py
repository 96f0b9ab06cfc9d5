"""CronJobs against the real API server. `@every 1s` keeps the waiting short."""

from __future__ import annotations

from tests.integration.controller_manager.conftest import until
from tests.integration.controller_manager.test_jobs import end_active
from wherry.api.batch_v1 import CronJob, Job
from wherry.api.core_v1 import Pod


def tick(**spec):
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    return {
        "spec": {"schedule": "@every 1s", "jobTemplate": {"spec": {"template": template}}, **spec}
    }


async def test_starts_jobs_and_keeps_some(cluster):
    await cluster.make(
        CronJob, "tick", **tick(concurrencyPolicy="Forbid", successfulJobsHistoryLimit=1)
    )
    seen = set()

    async def several():
        await end_active(cluster)
        seen.update(job.metadata.name for job in await cluster.list(Job))
        made = await cluster.get(CronJob, "tick")
        return made.status.last_successful_time and made.status.last_schedule_time

    await until(several)
    assert all(name.startswith("tick-") for name in seen)
    await cluster.client.patch(CronJob, "tick", cluster.namespace, {"spec": {"suspend": True}})

    async def idle():
        await end_active(cluster)
        made = await cluster.get(CronJob, "tick")
        return not made.status.active and len(await cluster.list(Job)) == 1

    await until(idle)
    await cluster.client.delete(CronJob, "tick", cluster.namespace)

    async def nothing():
        return not await cluster.list(Job) and not await cluster.list(Pod)

    await until(nothing)


async def test_forbid_waits_for_the_one_that_runs(cluster):
    await cluster.make(CronJob, "slow", **tick(concurrencyPolicy="Forbid"))

    async def one():
        made = await cluster.get(CronJob, "slow")
        return made.status.active

    (active,) = await until(one)
    await until(lambda: cluster.list(Pod))
    assert [job.metadata.name for job in await cluster.list(Job)] == [active.name]
