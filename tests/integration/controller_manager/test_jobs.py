"""Jobs against the real API server; the test plays kubelet and scheduler."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.integration.controller_manager.conftest import Cluster, until
from wherry.api.batch_v1 import Job
from wherry.api.core_v1 import Event, Pod
from wherry.api.errors import ApiError
from wherry.api.model import format_time

INDEX = "batch.kubernetes.io/job-completion-index"
TRACKING = "batch.kubernetes.io/job-tracking"


def work(**spec):
    template = {
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]},
    }
    return {"spec": {"template": template, **spec}}


async def end(cluster: Cluster, pod: Pod, code: int = 0) -> None:
    """The pod's kubelet reports its end."""
    state = {"terminated": {"exitCode": code, "finishedAt": format_time(datetime.now(UTC))}}
    status = {
        "phase": "Failed" if code else "Succeeded",
        "containerStatuses": [{"name": "c", "image": "i", "imageID": "", "state": state}],
    }
    try:
        await cluster.client.patch(
            Pod, pod.metadata.name, cluster.namespace, {"status": status},
            type="strategic", subresource="status",
        )  # fmt: skip
    except ApiError as error:
        if error.code != 404:  # else it went meanwhile
            raise


async def end_active(cluster: Cluster, code: int = 0) -> None:
    for pod in await cluster.list(Pod):
        if pod.status.phase == "Pending" and pod.metadata.deletion_timestamp is None:
            await end(cluster, pod, code)


async def ended(cluster: Cluster, name: str, condition: str) -> Job | None:
    job = await cluster.get(Job, name)
    assert job is not None
    return (
        job
        if any(c.type == condition and c.status == "True" for c in job.status.conditions)
        else None
    )


@pytest.mark.parametrize("mode", ["NonIndexed", "Indexed"])
async def test_a_job_runs_to_its_end(cluster, mode):
    await cluster.make(Job, "sum", **work(completions=5, parallelism=2, completionMode=mode))
    done = None

    async def question():
        pods = await cluster.list(Pod)
        active = [pod for pod in pods if pod.status.phase == "Pending"]
        assert len(active) <= 2
        assert len({p.metadata.annotations.get(INDEX, p.metadata.uid) for p in active}) == len(
            active
        )
        await end_active(cluster)
        return await ended(cluster, "sum", "Complete")

    done = await until(question)
    status = done.status
    assert (status.succeeded, status.failed, status.active, status.ready) == (5, 0, 0, 0)
    assert status.completed_indexes == ("0-4" if mode == "Indexed" else "")
    assert status.completion_time is not None
    pods = await cluster.list(Pod)
    assert len(pods) == 5
    assert not any(TRACKING in pod.metadata.finalizers for pod in pods)

    async def told():
        return {e.reason for e in await cluster.list(Event)} >= {"SuccessfulCreate", "Completed"}

    await until(told)


async def test_a_failing_job(cluster):
    await cluster.make(Job, "bad", **work(backoffLimit=0, parallelism=2, completions=2))

    async def two():
        pods = await cluster.list(Pod)
        return pods if len(pods) == 2 else None

    pods = await until(two)
    await end(cluster, pods[0], 3)
    job = await until(lambda: ended(cluster, "bad", "Failed"))
    assert job.status.failed == 2
    reasons = [(c.type, c.reason) for c in job.status.conditions]
    assert reasons == [
        ("FailureTarget", "BackoffLimitExceeded"),
        ("Failed", "BackoffLimitExceeded"),
    ]

    async def only_the_ended():
        return [p.metadata.name for p in await cluster.list(Pod)] == [pods[0].metadata.name]

    await until(only_the_ended)


async def test_suspended_then_resumed_then_deleted(cluster):
    await cluster.make(Job, "later", **work(suspend=True))
    await until(lambda: ended(cluster, "later", "Suspended"))
    assert await cluster.list(Pod) == []
    await cluster.client.patch(Job, "later", cluster.namespace, {"spec": {"suspend": False}})

    async def one():
        return await cluster.list(Pod)

    (pod,) = await until(one)
    assert TRACKING in pod.metadata.finalizers
    await cluster.client.delete(Job, "later", cluster.namespace, propagation_policy="Background")

    async def none():
        return not await cluster.list(Pod)

    await until(none)


async def test_orphaned_pods_lose_the_finalizer(cluster):
    await cluster.make(Job, "gone", **work())

    async def one():
        return await cluster.list(Pod)

    await until(one)
    await cluster.client.delete(Job, "gone", cluster.namespace, propagation_policy="Orphan")

    async def free():
        (pod,) = await cluster.list(Pod)
        return not pod.metadata.finalizers and not pod.metadata.owner_references

    await until(free)


async def test_a_finished_job_goes_after_its_time(cluster):
    await cluster.make(Job, "brief", **work(ttlSecondsAfterFinished=1))

    async def gone():
        await end_active(cluster)
        return await cluster.get(Job, "brief") is None and not await cluster.list(Pod)

    await until(gone)


async def test_success_policy_and_limit_per_index(cluster):
    rules = {"rules": [{"succeededIndexes": "2"}]}
    await cluster.make(
        Job, "fast", **work(completions=3, parallelism=3, completionMode="Indexed",
                            successPolicy=rules, backoffLimitPerIndex=0)
    )  # fmt: skip

    async def three():
        pods = await cluster.list(Pod)
        return pods if len(pods) == 3 else None

    by_index = {p.metadata.annotations[INDEX]: p for p in await until(three)}
    await end(cluster, by_index["1"], 1)
    await end(cluster, by_index["2"])
    job = await until(lambda: ended(cluster, "fast", "Complete"))
    assert (job.status.completed_indexes, job.status.failed_indexes) == ("2", "1")
    assert job.status.conditions[-1].reason == "SuccessPolicy"
