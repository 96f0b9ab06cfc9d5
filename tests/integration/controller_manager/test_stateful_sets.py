"""StatefulSets against the real API server; the test plays kubelets and the scheduler."""

from __future__ import annotations

import asyncio
import contextlib

from tests.integration.controller_manager.conftest import Cluster, until
from wherry.api.apps_v1 import ControllerRevision, StatefulSet
from wherry.api.core_v1 import Event, PersistentVolumeClaim, Pod
from wherry.api.errors import ApiError

NODE = "store"


def database(image="db:1", replicas=3, **spec):
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    return {
        "spec": {
            "replicas": replicas,
            "serviceName": "dbs",
            "selector": {"matchLabels": {"app": "db"}},
            "volumeClaimTemplates": [claim],
            "template": {
                "metadata": {"labels": {"app": "db"}},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{"name": "c", "image": image}],
                },
            },
            **spec,
        }
    }


async def run_pods(cluster: Cluster, *, ending: bool = True) -> dict[str, str]:
    """Bind, report, end: the kubelet's part. Images by pod that is not going."""
    found: dict[str, str] = {}
    for pod in await cluster.list(Pod):
        with contextlib.suppress(ApiError):  # it went meanwhile
            if pod.metadata.deletion_timestamp is not None:
                if ending:
                    await cluster.client.delete(
                        Pod, pod.metadata.name, cluster.namespace,
                        grace_period_seconds=0, uid=pod.metadata.uid,
                    )  # fmt: skip
                continue
            found[pod.metadata.name] = pod.spec.containers[0].image
            if not pod.spec.node_name:
                await cluster.bind(pod, NODE)
            if pod.status.phase != "Running":
                await cluster.report(pod)
    return found


async def has(cluster: Cluster, image: str, count: int) -> bool:
    found = await run_pods(cluster)
    made = await cluster.get(StatefulSet, "db")
    counts = {made.status.replicas, made.status.available_replicas, made.status.updated_replicas}
    return found == {f"db-{n}": image for n in range(count)} and counts == {count}


async def test_grows_updates_and_shrinks(cluster):
    await cluster.make(StatefulSet, "db", **database())
    await until(lambda: has(cluster, "db:1", 3))
    claims = {claim.metadata.name for claim in await cluster.list(PersistentVolumeClaim)}
    assert claims == {"data-db-0", "data-db-1", "data-db-2"}
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "db:2"}]}}}}
    await cluster.client.patch(StatefulSet, "db", cluster.namespace, patch, type="strategic")
    await until(lambda: has(cluster, "db:2", 3))

    async def current():
        made = await cluster.get(StatefulSet, "db")
        return made.status.current_revision == made.status.update_revision

    await until(current)
    assert sorted(r.revision for r in await cluster.list(ControllerRevision)) == [1, 2]
    await cluster.client.patch(StatefulSet, "db", cluster.namespace, {"spec": {"replicas": 1}})
    await until(lambda: has(cluster, "db:2", 1))
    assert len(await cluster.list(PersistentVolumeClaim)) == 3

    async def told():
        return {e.reason for e in await cluster.list(Event)} >= {
            "SuccessfulCreate",
            "SuccessfulDelete",
        }

    await until(told)


async def test_no_second_pod_before_the_first_is_gone(cluster):
    await cluster.make(StatefulSet, "db", **database(replicas=1, podManagementPolicy="Parallel"))
    await until(lambda: has(cluster, "db:1", 1))
    first = await cluster.get(Pod, "db-0")
    await cluster.client.delete(Pod, "db-0", cluster.namespace)
    await cluster.client.patch(StatefulSet, "db", cluster.namespace, {"spec": {"replicas": 2}})

    async def second():
        await run_pods(cluster, ending=False)
        return await cluster.get(Pod, "db-1")

    await until(second)
    await asyncio.sleep(0.3)
    same = await cluster.get(Pod, "db-0")
    assert same.metadata.uid == first.metadata.uid
    assert same.metadata.deletion_timestamp is not None
    await until(lambda: has(cluster, "db:1", 2))
    assert (await cluster.get(Pod, "db-0")).metadata.uid != first.metadata.uid


async def test_claims_go_as_the_policy_says(cluster):
    policy = {"whenDeleted": "Delete", "whenScaled": "Delete"}
    tree = database(replicas=2, persistentVolumeClaimRetentionPolicy=policy)
    await cluster.make(StatefulSet, "db", **tree)
    await until(lambda: has(cluster, "db:1", 2))
    await cluster.client.patch(StatefulSet, "db", cluster.namespace, {"spec": {"replicas": 1}})

    async def claims():
        await run_pods(cluster)
        held = await cluster.list(PersistentVolumeClaim)
        return {c.metadata.name: c.metadata.deletion_timestamp is not None for c in held}

    async def one_left():
        left = await claims()
        return left.get("data-db-1", True) and not left["data-db-0"]

    await until(one_left)
    await cluster.client.delete(
        StatefulSet, "db", cluster.namespace, propagation_policy="Background"
    )

    async def all_going():
        return all((await claims()).values())

    await until(all_going)
