"""A pod that uses a PersistentVolume of this machine through a claim."""

import asyncio

import pytest

from tests.integration.kubelet.test_pods import TRAP, container, pods, running
from wherry.api.core_v1 import PersistentVolume, PersistentVolumeClaim, Pod

__all__ = ["pods"]  # a fixture

pytestmark = pytest.mark.e2e


@pytest.fixture
async def volume(kubelet):
    """A local volume and a claim bound to it by hand, as the binder would."""
    place = kubelet.machine.directory / "local-volume"
    place.mkdir()
    size = {"storage": "1Mi"}
    terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]
    client = kubelet.client
    claim = PersistentVolumeClaim.from_wire(
        {
            "metadata": {"name": "data", "namespace": "default"},
            "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "",
                "resources": {"requests": size},
            },
        }
    )  # fmt: skip
    claim = await client.create(claim)
    made = PersistentVolume.from_wire(
        {
            "metadata": {"name": "local-1"},
            "spec": {
                "capacity": size, "accessModes": ["ReadWriteOnce"], "local": {"path": str(place)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
                "claimRef": {
                    "kind": "PersistentVolumeClaim", "namespace": "default", "name": "data",
                    "uid": claim.metadata.uid,
                },
            },
        }
    )  # fmt: skip
    await client.create(made)
    yield place
    for kind, name, namespace in (
        (PersistentVolumeClaim, "data", "default"),
        (PersistentVolume, "local-1", ""),
    ):
        await client.patch(kind, name, namespace, {"metadata": {"finalizers": None}})
        await client.delete(kind, name, namespace)


async def bind(client):
    await client.patch(
        PersistentVolumeClaim, "data", "default", {"spec": {"volumeName": "local-1"}}
    )
    status = {"status": {"phase": "Bound"}}
    await client.patch(PersistentVolumeClaim, "data", "default", status, subresource="status")


async def test_what_a_pod_writes_stays_when_the_pod_goes(kubelet, pods, volume):
    mount = {"name": "v", "mountPath": "/v"}
    claimed = {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}
    script = f"echo kept > /v/file; {TRAP}"
    await pods("writer", container(script, volumeMounts=[mount]), volumes=[claimed])

    async with asyncio.timeout(30):
        while not any("PVC is not bound" in said for _, said in await kubelet.events("writer")):
            await asyncio.sleep(0.1)
    await bind(kubelet.client)
    await kubelet.until("writer", running)
    await kubelet.until("writer", lambda _: (volume / "file").exists())
    await kubelet.client.delete(Pod, "writer", "default", grace_period_seconds=1)
    await kubelet.until_gone("writer")
    assert (volume / "file").read_text() == "kept\n"
