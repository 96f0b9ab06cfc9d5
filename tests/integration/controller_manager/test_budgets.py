"""ReplicationControllers and disruption budgets against the real API server."""

from __future__ import annotations

import contextlib

import pytest

from tests.integration.controller_manager.conftest import until
from wherry.api.core_v1 import Pod, ReplicationController
from wherry.api.errors import ApiError
from wherry.api.policy_v1 import Eviction, PodDisruptionBudget

NODE = "worker"


def workload(replicas=3):
    return {
        "spec": {
            "replicas": replicas,
            "template": {
                "metadata": {"labels": {"app": "old"}},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{"name": "c", "image": "i"}],
                },
            },
        }
    }


async def ready(cluster, count):
    await cluster.run_pods(NODE)
    made = await cluster.get(ReplicationController, "old")
    return made.status.ready_replicas == count == made.status.replicas


async def test_a_replication_controller_keeps_its_number(cluster):
    await cluster.make(ReplicationController, "old", **workload())
    await until(lambda: ready(cluster, 3))
    pod, *_ = await cluster.list(Pod)
    assert pod.metadata.owner_references[0].kind == "ReplicationController"
    await cluster.client.delete(Pod, pod.metadata.name, cluster.namespace)
    patch = {"spec": {"replicas": 2}}
    await cluster.client.patch(ReplicationController, "old", cluster.namespace, patch)
    await until(lambda: ready(cluster, 2))


async def test_a_budget_allows_as_much_as_it_can(cluster):
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "old"}}}
    await cluster.make(PodDisruptionBudget, "keep", spec=spec)
    await cluster.make(ReplicationController, "old", **workload())

    async def allows(number):
        with contextlib.suppress(ApiError):
            await cluster.run_pods(NODE)
        made = await cluster.get(PodDisruptionBudget, "keep")
        counts = (made.status.expected_pods, made.status.desired_healthy)
        return counts == (3, 2) and made.status.disruptions_allowed == number

    await until(lambda: allows(1))

    async def evict(pod: Pod) -> None:
        metadata = {"name": pod.metadata.name, "namespace": cluster.namespace}
        eviction = Eviction.from_wire({"metadata": metadata})
        await cluster.client.create_subresource(
            Pod, pod.metadata.name, cluster.namespace, "eviction", eviction
        )

    first, second, _ = await cluster.list(Pod)
    await evict(first)
    with pytest.raises(ApiError) as refused:
        await evict(second)
    assert refused.value.code == 429
    await until(lambda: allows(1))
