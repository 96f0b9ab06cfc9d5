"""The client over real sockets: verbs, refusals, broken connections, back-pressure."""

import asyncio
import json
from contextlib import aclosing

import pytest

from wherry.api.core_v1 import Binding, ConfigMap, ObjectReference, Pod
from wherry.api.errors import ApiError
from wherry.api.meta_v1 import ObjectMeta
from wherry.client.kubeconfig import ClientConfig
from wherry.client.rest import Client
from wherry.client.transport import CONNECTIONS_MAX, ApiUnavailable


def config_map(name, namespace="n", **data):
    return ConfigMap(metadata=ObjectMeta(namespace=namespace, name=name), data=data)


async def test_verbs(client, server):
    made = await client.create(config_map("a", x="1"))
    assert made.metadata.resource_version == "1"
    assert (await client.get(ConfigMap, "a", "n")).data == {"x": "1"}
    changed = await client.update(made.with_(data={"x": "2"}))
    assert changed.data == {"x": "2"}
    with pytest.raises(ApiError) as refused:
        await client.update(made)
    assert refused.value.code == 409
    patched = await client.patch(ConfigMap, "a", "n", {"data": {"y": "3"}})
    assert patched.data == {"x": "2", "y": "3"}
    await client.create(config_map("b", "m"))
    everywhere = await client.list(ConfigMap)
    assert [c.metadata.name for c in everywhere.items] == ["a", "b"]
    assert len((await client.list(ConfigMap, "m")).items) == 1
    await client.delete(ConfigMap, "a", "n", uid="u", grace_period_seconds=0)
    with pytest.raises(ApiError) as gone:
        await client.get(ConfigMap, "a", "n")
    assert (gone.value.code, gone.value.reason) == (404, "NotFound")
    headers = server.requests[0][3]
    assert headers[b"authorization"] == b"Bearer secret"
    assert headers[b"user-agent"] == b"test/1"


async def test_pages_are_followed(client, server):
    for number in range(7):
        await client.create(config_map(f"c{number}"))
    found = await client.list(ConfigMap, limit=3)
    assert len(found.items) == 7
    assert len([r for r in server.requests if r[0] == "GET"]) == 3


async def test_subresources(client, server):
    server.refusals.append((201, (), b'{"kind":"Status","apiVersion":"v1","status":"Success"}'))
    body = Binding(
        metadata=ObjectMeta(name="p", namespace="n"), target=ObjectReference(kind="Node", name="x")
    )
    answer = await client.create_subresource(Pod, "p", "n", "binding", body)
    assert answer.status == "Success"
    assert server.requests[-1][1] == "/api/v1/namespaces/n/pods/p/binding"


async def test_what_the_server_asks_to_repeat_is_repeated(client, server):
    server.refusals += [(429, [(b"retry-after", b"0")], b"slow down")] * 2
    assert (await client.list(ConfigMap)).items == []
    assert len(server.requests) == 3
    server.refusals.append((503, (), b"no"))
    with pytest.raises(ApiError, match="no") as refused:
        await client.list(ConfigMap)
    assert refused.value.code == 503


@pytest.mark.parametrize("port", [1])
async def test_nobody_there(port):
    async with Client(ClientConfig(f"http://127.0.0.1:{port}")) as client:
        with pytest.raises(ApiUnavailable, match="cannot connect"):
            await client.get(ConfigMap, "a", "n")


async def test_a_silent_server_is_given_up_in_time(client, server):
    server.hold = asyncio.Event()
    with pytest.raises(ApiUnavailable, match=r"no answer .* in 0.05 s"):
        await client.request("GET", "/api/v1/configmaps", timeout=0.05)
    server.hold.set()
    server.hold = None
    assert (await client.list(ConfigMap)).items == []


async def raw_server(handle):
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    return server, ClientConfig(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")


async def test_a_kept_connection_that_was_closed_is_replaced_for_reads_only():
    seen = []

    async def handle(reader, writer):
        for turn in range(2):
            head = await reader.readuntil(b"\r\n\r\n")
            seen.append(head.split(b" ")[0])
            if turn:
                break  # closes instead of answering the second request
            body = b'{"metadata":{}}'
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    server, config = await raw_server(handle)
    async with server, Client(config) as client:
        await client.list(ConfigMap)
        await client.list(ConfigMap)
        assert seen == [b"GET"] * 3
        with pytest.raises(ApiUnavailable, match="connection lost"):
            await client.create(config_map("a"))
        assert len(seen) == 4


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", b""],
    ids=["not-http", "cut-body", "nothing"],
)
async def test_broken_answers_are_unavailable(answer):
    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server, config = await raw_server(handle)
    async with server, Client(config) as client:
        with pytest.raises(ApiUnavailable):
            await client.list(ConfigMap)


async def test_many_requests_share_few_connections(client, server):
    server.hold = asyncio.Event()
    calls = [asyncio.ensure_future(client.list(ConfigMap)) for _ in range(3 * CONNECTIONS_MAX)]
    async with asyncio.timeout(30):
        while len(server.requests) < CONNECTIONS_MAX:
            await asyncio.sleep(0.005)  # the server's side has no event
    for call in calls[:10]:
        call.cancel()
    server.hold.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(not isinstance(r, BaseException) for r in results) == len(calls) - 10
    ports = {r[1] for r in server.requests}
    assert ports == {"/api/v1/configmaps"}


async def test_watch(client, server):
    await client.create(config_map("a"))
    async with aclosing(client.watch(ConfigMap, "n", resource_version="0")) as events:
        first = await anext(events)
        assert (first.type, first.object.metadata.name) == ("ADDED", "a")
        await client.patch(ConfigMap, "a", "n", {"data": {"k": "v" * 100_000}})
        second = await anext(events)
        assert len(second.object.data["k"]) == 100_000
    query = next(r[2] for r in server.requests if r[2].get("watch"))
    assert query["allowWatchBookmarks"] == "true"


async def test_a_watch_tells_how_it_ended(client, server):
    await client.create(config_map("a"))
    server.oldest = 5
    with pytest.raises(ApiError) as gone:
        await anext(client.watch(ConfigMap, resource_version="1"))
    assert gone.value.code == 410
    server.oldest = 0
    events = client.watch(ConfigMap, resource_version="1")
    waiting = asyncio.ensure_future(anext(events))
    async with asyncio.timeout(30):
        while sum(bool(r[2].get("watch")) for r in server.requests) < 2:
            await asyncio.sleep(0.005)  # the server's side has no event
    server.cut_watches()
    with pytest.raises(ApiUnavailable):
        await waiting
    with pytest.raises(ApiUnavailable, match="nothing heard"):
        await anext(client.watch(ConfigMap, resource_version="1", silence_seconds_max=0.05))


async def test_a_stream_nobody_reads_stops_the_server_not_our_memory(server):
    sent = 0

    async def handle(reader, writer):
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while sent < 200:
                writer.write(b"x" * 1_000_000)
                sent += 1
                await writer.drain()
        finally:
            writer.close()

    server, config = await raw_server(handle)
    async with server, Client(config) as client, client.stream("GET", "/log") as response:
        stalled = -1
        async with asyncio.timeout(10):
            while stalled != sent or sent == 0:
                stalled = sent
                await asyncio.sleep(0.2)
        assert sent < 50
        size = 0
        async for piece in response.chunks():
            size += len(piece)
        assert size == 200_000_000


async def test_a_rotated_token_file_is_read_again(server, tmp_path, monkeypatch):
    token = tmp_path / "token"
    token.write_text("one\n")
    config = ClientConfig(server.config.server, token_file=str(token))
    async with Client(config) as client:
        await client.list(ConfigMap)
        token.write_text("two\n")
        monkeypatch.setattr(client, "_token_read", -1e9)
        await client.list(ConfigMap)
    assert [r[3][b"authorization"] for r in server.requests] == [b"Bearer one", b"Bearer two"]


async def test_request_and_metadata(client, server):
    await client.create(config_map("a"))
    response = await client.request("GET", "/api/v1/namespaces/n/configmaps/a")
    assert json.loads(response.body)["metadata"]["name"] == "a"
    assert response.headers["content-type"] == "application/json"
