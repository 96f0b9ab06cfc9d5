"""Claims and volumes: they go when nobody uses them, come with pods, and grow."""

from __future__ import annotations

from tests.integration.controller_manager.conftest import until
from wherry.api.core_v1 import (
    Event,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    ServiceAccount,
)
from wherry.api.storage_v1 import StorageClass

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


async def test_a_volume_that_is_deleted_first_goes_after_its_claim(cluster):
    name = f"{cluster.namespace}-bound"
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": name,
        "hostPath": {"path": "/tmp/x"},
    }
    await cluster.client.create(
        PersistentVolume.from_wire({"metadata": {"name": name}, "spec": spec})
    )
    await cluster.make(
        PersistentVolumeClaim, "data", spec={**CLAIM["spec"], "storageClassName": name}
    )

    async def volume():
        found = (await cluster.client.list(PersistentVolume)).items
        return next((one for one in found if one.metadata.name == name), None)

    async def bound():
        return (await volume()).status.phase == "Bound"

    async def gone():
        return await volume() is None

    await until(bound)
    await cluster.client.delete(PersistentVolume, name)
    assert await volume() is not None
    await cluster.client.delete(PersistentVolumeClaim, "data", cluster.namespace)
    await until(gone)


async def test_an_ephemeral_volume_lives_as_long_as_its_pod(cluster):
    async def account():
        return await cluster.get(ServiceAccount, "default")

    await until(account)
    volume = {"name": "scratch", "ephemeral": {"volumeClaimTemplate": CLAIM}}
    spec = {"containers": [{"name": "c", "image": "x:1"}], "volumes": [volume]}
    made = await cluster.make(Pod, "user", spec=spec)

    async def claimed():
        return await cluster.get(PersistentVolumeClaim, "user-scratch")

    claim = await until(claimed)
    (owner,) = claim.metadata.owner_references
    assert (owner.kind, owner.uid, owner.controller) == ("Pod", made.metadata.uid, True)
    await cluster.client.delete(Pod, "user", cluster.namespace, grace_period_seconds=0)

    async def gone():
        return await claimed() is None

    await until(gone)
    await cluster.make(PersistentVolumeClaim, "other-scratch", **CLAIM)
    await cluster.make(Pod, "other", spec=spec)

    async def refused():
        return any("was not created for pod" in e.message for e in await cluster.list(Event))

    await until(refused)
    assert (
        await cluster.get(PersistentVolumeClaim, "other-scratch")
    ).metadata.owner_references == []


async def test_a_claim_may_grow_where_its_class_lets_it(cluster):
    name = f"growing-{cluster.namespace}"
    made = StorageClass.from_wire(
        {
            "metadata": {"name": name}, "provisioner": "wherry.io/local-path",
            "allowVolumeExpansion": True, "volumeBindingMode": "Immediate",
        }
    )  # fmt: skip
    await cluster.client.create(made)
    await cluster.node(f"host-{cluster.namespace}")
    await cluster.make(
        PersistentVolumeClaim, "data", spec={**CLAIM["spec"], "storageClassName": name}
    )

    def has(size):
        async def question():
            claim = await cluster.get(PersistentVolumeClaim, "data")
            status = claim.status
            return status.phase == "Bound" and status.capacity == {"storage": size}

        return question

    await until(has("1Gi"))
    larger = {"spec": {"resources": {"requests": {"storage": "3Gi"}}}}
    await cluster.client.patch(PersistentVolumeClaim, "data", cluster.namespace, larger)
    await until(has("3Gi"))
    claim = await cluster.get(PersistentVolumeClaim, "data")
    volume = await cluster.client.get(PersistentVolume, claim.spec.volume_name)
    assert volume.spec.capacity == {"storage": "3Gi"}
    await cluster.client.delete(Node, f"host-{cluster.namespace}")
