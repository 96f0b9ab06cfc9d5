"""The client beside the real API server and etcd: what the small server can't vouch for."""

import asyncio
import uuid
from contextlib import aclosing

import pytest

from wherry.api.core_v1 import (
    Binding,
    ConfigMap,
    Container,
    Namespace,
    ObjectReference,
    Pod,
    PodSpec,
)
from wherry.api.errors import ApiError
from wherry.api.meta_v1 import ObjectMeta
from wherry.api.scheme import resource_of
from wherry.client.decode import PartialObjectMetadata
from wherry.client.election import Durations
from wherry.client.events import EventRecorder
from wherry.client.informer import Informer
from wherry.client.kubeconfig import load
from wherry.client.leader import run_leading
from wherry.client.metadata import MetadataClient
from wherry.client.rest import Client


@pytest.fixture
async def client(shared_apiserver):
    async with Client(load(shared_apiserver.kubeconfig), user_agent="test/1") as made:
        yield made


@pytest.fixture
async def namespace(client):
    name = f"client-{uuid.uuid4().hex[:8]}"
    await client.create(Namespace(metadata=ObjectMeta(name=name)))
    await client.request(
        "POST", f"/api/v1/namespaces/{name}/serviceaccounts", body={"metadata": {"name": "default"}}
    )
    return name


async def until(condition, seconds=20):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def config_map(namespace, name, **data):
    return ConfigMap(metadata=ObjectMeta(namespace=namespace, name=name), data=data)


async def test_verbs(client, namespace):
    made = await client.create(config_map(namespace, "a", x="1"))
    assert made.metadata.uid
    with pytest.raises(ApiError) as refused:
        await client.create(made.with_(metadata=ObjectMeta(namespace=namespace, name="a")))
    assert (refused.value.code, refused.value.reason) == (409, "AlreadyExists")
    await client.patch(ConfigMap, "a", namespace, {"data": {"x": None, "y": "2"}})
    await client.patch(ConfigMap, "a", namespace, {"data": {"z": "3"}}, type="strategic")
    ops = [{"op": "add", "path": "/data/w", "value": "4"}]
    patched = await client.patch(ConfigMap, "a", namespace, ops, type="json")
    assert patched.data == {"y": "2", "z": "3", "w": "4"}
    with pytest.raises(ApiError) as conflict:
        await client.update(made)
    assert conflict.value.reason == "Conflict"
    for number in range(5):
        await client.create(config_map(namespace, f"b{number}"))
    assert len((await client.list(ConfigMap, namespace, limit=2)).items) == 6
    with pytest.raises(ApiError):
        await client.delete(ConfigMap, "a", namespace, uid="other")
    await client.delete(ConfigMap, "a", namespace, uid=made.metadata.uid)
    await client.delete_collection(ConfigMap, namespace)
    assert (await client.list(ConfigMap, namespace)).items == []
    dry = await client.create(config_map(namespace, "c"), dry_run=True)
    assert dry.metadata.uid
    assert (await client.list(ConfigMap, namespace)).items == []


async def test_watch_from_a_list(client, namespace):
    revision = (await client.list(ConfigMap, namespace)).resource_version
    await client.create(config_map(namespace, "a"))
    await client.delete(ConfigMap, "a", namespace)
    async with aclosing(client.watch(ConfigMap, namespace, resource_version=revision)) as events:
        assert [(await anext(events)).type for _ in range(2)] == ["ADDED", "DELETED"]
    initial = client.watch(ConfigMap, namespace, send_initial_events=True)
    await client.create(config_map(namespace, "b"))
    async with aclosing(initial) as events:
        seen = [await anext(events) for _ in range(2)]
    assert [event.type for event in seen] == ["ADDED", "BOOKMARK"]


async def test_binding_and_status(client, namespace):
    spec = PodSpec(containers=[Container(name="c", image="i")])
    meta = ObjectMeta(namespace=namespace, name="p")
    pod = await client.create(Pod(metadata=meta, spec=spec))
    body = Binding(metadata=meta, target=ObjectReference(kind="Node", name="n"))
    answer = await client.create_subresource(Pod, "p", namespace, "binding", body)
    assert answer.status == "Success"
    bound = await client.get(Pod, "p", namespace)
    assert bound.spec.node_name == "n"
    status = bound.status.with_(phase="Running")
    assert (await client.update_status(bound.with_(status=status))).status.phase == "Running"
    assert pod.metadata.uid == bound.metadata.uid


async def test_metadata_only(client, namespace):
    await client.create(config_map(namespace, "a", x="1"))
    resource = resource_of(ConfigMap)
    metadata = MetadataClient(client)
    (tree,), _ = await metadata.list(resource, namespace)
    assert tree["metadata"]["name"] == "a"
    assert "data" not in await metadata.get(resource, "a", namespace)
    patched = await metadata.patch(
        resource, "a", namespace, {"metadata": {"finalizers": ["x.com/y"]}}
    )
    assert patched["metadata"]["finalizers"] == ["x.com/y"]
    informer = Informer(client, PartialObjectMetadata, namespace=namespace, resource=resource)
    task = asyncio.ensure_future(informer.run())
    await until(lambda: informer.get(namespace, "a"))
    await metadata.patch(resource, "a", namespace, {"metadata": {"finalizers": None}})
    await metadata.delete(resource, "a", namespace)
    await until(lambda: informer.get(namespace, "a") is None)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_events_and_leases(client, namespace):
    recorder = EventRecorder(client, "tester")
    sending = asyncio.ensure_future(recorder.run())
    subject = await client.create(config_map(namespace, "a"))
    led = asyncio.Event()

    async def lead():
        recorder.event(subject, "Normal", "Led", "leading")
        recorder.event(subject, "Normal", "Led", "leading")
        led.set()

    await run_leading(client, namespace, "lock", "me", lead, Durations(2, 1, 0.1))
    assert led.is_set()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    response = await client.request(
        "GET", f"/api/v1/namespaces/{namespace}/events?fieldSelector=reason%3DLed"
    )
    assert b'"count":2' in response.body


async def test_an_informer_outlives_the_server(apiserver):
    """Killed and started anew, nothing lost, nothing doubled."""
    async with Client(load(apiserver.kubeconfig)) as client:
        informer, changes = Informer(client, ConfigMap, namespace="default"), []
        informer.add_handler(lambda old, new: changes.append((old is None, new.metadata.name)))
        task = asyncio.ensure_future(informer.run())
        await informer.synced()
        await client.create(config_map("default", "a"))
        await until(lambda: (True, "a") in changes)
        apiserver.kill()
        await asyncio.to_thread(apiserver.start)
        await client.create(config_map("default", "b"))
        await until(lambda: (True, "b") in changes)
        mine = [change for change in changes if change[1] in ("a", "b")]
        assert mine == [(True, "a"), (True, "b")]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
