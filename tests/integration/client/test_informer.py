"""The informer keeps a true copy whatever happens to its connection."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from wherry.api.core_v1 import ConfigMap
from wherry.api.meta_v1 import ManagedFieldsEntry, ObjectMeta
from wherry.api.scheme import resource_of
from wherry.client.decode import PartialObjectMetadata
from wherry.client.informer import Informer
from wherry.client.metadata import MetadataClient


def config_map(name, namespace="n", **data):
    meta = ObjectMeta(
        namespace=namespace, name=name, managed_fields=[ManagedFieldsEntry(manager="m")]
    )
    return ConfigMap(metadata=meta, data=data)


@asynccontextmanager
async def running(informer):
    task = asyncio.ensure_future(informer.run())
    try:
        await asyncio.wait_for(informer.synced(), 30)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


def names(informer):
    return sorted(obj.metadata.name for obj in informer.list())


@pytest.fixture
def changes():
    return []


@pytest.fixture
def informer(client, changes):
    made = Informer(client, ConfigMap, indexers={"data": lambda obj: sorted(obj.data)})
    made.add_handler(
        lambda old, new: changes.append((old and old.metadata.name, new and new.metadata.name))
    )
    return made


async def test_lists_then_follows(client, server, informer, changes):
    await client.create(config_map("a", x="1"))
    async with running(informer):
        assert names(informer) == ["a"]
        assert informer.get("n", "a").metadata.managed_fields == []
        await client.create(config_map("b", y="1"))
        await client.patch(ConfigMap, "a", "n", {"data": {"y": "2"}})
        await client.delete(ConfigMap, "b", "n")
        await until(lambda: len(changes) == 4)
    assert changes == [(None, "a"), (None, "b"), ("a", "a"), ("b", None)]
    assert [o.metadata.name for o in informer.by_index("data", "y")] == ["a"]


async def test_a_late_handler_hears_what_is_known(client, server, informer):
    await client.create(config_map("a"))
    heard = []
    async with running(informer):
        informer.add_handler(lambda old, new: heard.append((old, new.metadata.name)))
    assert heard == [(None, "a")]


async def test_resumes_a_cut_watch_without_listing(client, server, informer, changes):
    async with running(informer):
        await client.create(config_map("a"))
        await until(lambda: changes)
        server.cut_watches()
        await client.create(config_map("b"))
        await until(lambda: len(changes) == 2)
    lists = [r for r in server.requests if r[0] == "GET" and "watch" not in r[2]]
    assert len(lists) == 1
    assert changes == [(None, "a"), (None, "b")]


async def test_a_forgotten_revision_is_listed_and_told_as_differences(
    client, server, informer, changes
):
    await client.create(config_map("a"))
    await client.create(config_map("b"))
    async with running(informer):
        server.mute = True
        await client.delete(ConfigMap, "a", "n")
        await client.patch(ConfigMap, "b", "n", {"data": {"k": "v"}})
        await client.create(config_map("c"))
        server.oldest = server.revision
        server.mute = False
        server.cut_watches()
        await until(lambda: names(informer) == ["b", "c"])
        await client.create(config_map("d"))
        await until(lambda: "d" in names(informer))
    assert changes[2:] == [("a", None), ("b", "b"), (None, "c"), (None, "d")]


async def test_keeps_its_state_while_the_server_refuses(client, server, informer, changes):
    await client.create(config_map("a"))
    async with running(informer):
        server.refusals += [(500, (), b"broken")] * 2
        server.cut_watches()
        await until(lambda: not server.refusals)
        assert names(informer) == ["a"]
        await client.create(config_map("b"))
        await until(lambda: names(informer) == ["a", "b"])


async def test_a_failing_handler_does_not_blind_the_others(client, server, changes):
    informer = Informer(client, ConfigMap)
    informer.add_handler(lambda old, new: 1 / 0)
    informer.add_handler(lambda old, new: changes.append(new))
    await client.create(config_map("a"))
    async with running(informer):
        await until(lambda: changes)


async def test_metadata_of_a_resource(client, server):
    await client.create(config_map("a", k="v"))
    resource = resource_of(ConfigMap)
    trees, revision = await MetadataClient(client).list(resource)
    assert (trees[0]["metadata"]["name"], revision) == ("a", "1")
    informer = Informer(client, PartialObjectMetadata, resource=resource)
    async with running(informer):
        assert names(informer) == ["a"]
        await until(lambda: "watch" in server.requests[-1][2])
    accept = server.requests[-1][3][b"accept"]
    assert accept == b"application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
