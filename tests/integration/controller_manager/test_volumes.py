"""Deleted claims and volumes go when nobody uses them."""

from __future__ import annotations

from tests.integration.controller_manager.conftest import until
from wherry.api.core_v1 import PersistentVolume, PersistentVolumeClaim, Pod, ServiceAccount

RESOURCES = {"requests": {"storage": "1Gi"}}
CLAIM = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": RESOURCES}}


async def test_a_claim_stays_while_a_pod_uses_it(cluster):
    async def account():
        return await cluster.get(ServiceAccount, "default")

    await until(account)  # pods are refused before
    await cluster.make(PersistentVolumeClaim, "data", **CLAIM)
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}
    spec = {"containers": [{"name": "c", "image": "x:1"}], "volumes": [volume], "nodeName": "n1"}
    await cluster.make(Pod, "user", spec=spec)
    await cluster.client.delete(PersistentVolumeClaim, "data", cluster.namespace)
    claim = await cluster.get(PersistentVolumeClaim, "data")
    assert claim is not None
    assert claim.metadata.deletion_timestamp is not None
    await cluster.client.delete(Pod, "user", cluster.namespace, grace_period_seconds=0)

    async def gone():
        return await cluster.get(PersistentVolumeClaim, "data") is None

    await until(gone)


async def test_an_unbound_volume_goes_at_once(cluster):
    name = f"{cluster.namespace}-volume"
    volume = PersistentVolume.from_wire(
        {
            "metadata": {"name": name},
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "hostPath": {"path": "/tmp/x"},
            },
        }
    )
    await cluster.client.create(volume)
    await cluster.client.delete(PersistentVolume, name)

    async def gone():
        return name not in {
            v.metadata.name for v in (await cluster.client.list(PersistentVolume)).items
        }

    await until(gone)
