"""What pods refer to, followed at a real API server; tokens bound to a pod."""

import asyncio
import uuid
from contextlib import asynccontextmanager

import pytest

from kubelet.objects import NodeObjects
from kubelet.runtime.memory import MemoryRuntime
from kubelet.volumes.images import ImageVolumes
from kubelet.volumes.manager import VolumeManager
from kubelet.volumes.tokens import TokenManager
from wherry.api.core_v1 import ConfigMap, Namespace, Pod, ServiceAccount
from wherry.api.errors import ApiError
from wherry.client.kubeconfig import load
from wherry.client.rest import Client
from wherry.daemon.clock import FakeClock, SystemClock

SECONDS_MAX = 60


class World:
    """A namespace, one pod, and the kubelet's view of what it refers to."""

    def __init__(self, client):
        self.client, self.namespace = client, f"objects-{uuid.uuid4().hex[:8]}"
        self.changed = asyncio.Event()
        self.objects = NodeObjects(client, lambda uid: self.changed.set())

    def named(self, name):
        return {"name": name, "namespace": self.namespace}

    async def pod(self, **spec):
        tree = {"metadata": self.named("p"), "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}  # fmt: skip
        return await self.client.create(Pod.from_wire(tree))

    async def config(self, **data):
        tree = {"metadata": self.named("cfg"), "data": data}
        try:
            return await self.client.create(ConfigMap.from_wire(tree))
        except ApiError:
            return await self.client.update(ConfigMap.from_wire(tree))

    async def change(self):
        await asyncio.wait_for(self.changed.wait(), SECONDS_MAX)
        self.changed.clear()


@asynccontextmanager
async def running(server):
    async with Client(load(server.kubeconfig)) as client:
        world = World(client)
        await client.create(Namespace.from_wire({"metadata": {"name": world.namespace}}))
        await client.create(ServiceAccount.from_wire({"metadata": world.named("default")}))
        task = asyncio.create_task(world.objects.run())
        try:
            yield world
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def world(shared_apiserver):
    async with running(shared_apiserver) as made:
        yield made


CONFIG_VOLUME = {"name": "cfg", "configMap": {"name": "cfg"}}
TOKEN_VOLUME = {
    "name": "token",
    "projected": {"sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}]},
}  # fmt: skip


async def test_a_change_of_the_object_reaches_the_volume(world, tmp_path):
    pod = await world.pod(volumes=[CONFIG_VOLUME], automountServiceAccountToken=False)
    clock = SystemClock()
    volumes = VolumeManager(
        tmp_path, world.objects, TokenManager(world.client, clock), clock,
        ImageVolumes(MemoryRuntime(clock)),
    )  # fmt: skip
    world.objects.register(pod)
    await world.config(a="1")
    await world.change()
    paths = await volumes.prepare(pod)
    assert (paths["cfg"] / "a").read_text() == "1"
    world.changed.clear()
    await world.config(a="2")
    await world.change()
    await volumes.refresh(pod)
    assert (paths["cfg"] / "a").read_text() == "2"
    await volumes.teardown(pod.metadata.uid)


async def test_what_no_pod_needs_is_not_followed(world):
    pod = await world.pod(volumes=[CONFIG_VOLUME], automountServiceAccountToken=False)
    await world.config(a="1")
    world.objects.register(pod)
    found = await world.objects.config_map(world.namespace, "cfg")
    assert found.data == {"a": "1"}
    world.objects.unregister(pod.metadata.uid)
    assert await world.objects.config_map(world.namespace, "cfg") is None


async def test_service_variables_always_name_the_api_server(world):
    found = await world.objects.service_env(await world.pod())
    assert found["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"


async def test_tokens_are_bound_kept_and_renewed_in_time(world):
    pod = await world.pod(volumes=[TOKEN_VOLUME], automountServiceAccountToken=False)
    clock = FakeClock(SystemClock().now())
    tokens = TokenManager(world.client, clock)
    first = await tokens.token(pod, "", 3600)
    assert first == await tokens.token(pod, "", 3600)
    clock.advance(0.79 * 3600)
    assert first == await tokens.token(pod, "", 3600)
    clock.advance(0.02 * 3600)
    # issued by the second, so the same second may make the same text: the end is what moves on
    second = await tokens.token(pod, "", 3600)
    assert second.text.count(".") == 2
    assert second.expires >= first.expires
    tokens.forget(pod.metadata.uid)
    assert tokens._held == {}
