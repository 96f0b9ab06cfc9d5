"""log and exec through a real API server to a stand-in kubelet that speaks the real protocol."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from wherry.daemon.certificate import load_context, self_signed_pem

TOKEN = "test-token"
PROTOCOL = "v5.channel.k8s.io"


@dataclass
class Kubelet:
    """Answers /containerLogs and /exec as a kubelet does, and remembers what it was asked."""

    port: int = 0
    asked: list[str] = field(default_factory=list)

    async def http(self, connection: ServerConnection, request: Request) -> Response | None:
        self.asked.append(request.path)
        if request.path.startswith("/containerLogs/default/talks/"):
            return Response(200, "OK", Headers({"Content-Type": "text/plain"}), b"one\ntwo\n")
        if request.path.startswith("/containerLogs/"):
            words = b'container "c" in pod "waits" is waiting to start: ContainerCreating'
            return Response(400, "Bad Request", Headers(), words)
        return None

    async def exec(self, socket: ServerConnection) -> None:
        async for message in socket:
            assert isinstance(message, bytes)
            if message[:1] == b"\x00":
                await socket.send(b"\x01" + message[1:].upper())
            if message == b"\xff\x00":  # v5: the client closed stdin
                await socket.send(b'\x03{"metadata":{},"status":"Success"}')
                return


@pytest.fixture
async def kubelet() -> AsyncIterator[Kubelet]:
    found = Kubelet()
    context = load_context(self_signed_pem(["127.0.0.1"]))
    async with serve(
        found.exec, "127.0.0.1", 0, ssl=context, process_request=found.http,
        subprotocols=[websockets.Subprotocol(PROTOCOL)], compression=None,
    ) as server:  # fmt: skip
        found.port = next(iter(server.sockets)).getsockname()[1]
        yield found


@pytest.fixture
async def client(apiserver: Any, kubelet: Kubelet) -> AsyncIterator[httpx.AsyncClient]:
    async with apiserver.client() as client:
        account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
        await client.post("/api/v1/namespaces/default/serviceaccounts", json=account)
        node: dict[str, Any] = {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n1"}}
        (await client.post("/api/v1/nodes", json=node)).raise_for_status()
        node["status"] = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.port}},
        }
        (await client.put("/api/v1/nodes/n1/status", json=node)).raise_for_status()
        for name in ("talks", "waits", "unbound"):
            await make_pod(client, name, bound=name != "unbound")
        yield client


async def make_pod(client: httpx.AsyncClient, name: str, *, bound: bool) -> None:
    spec = {"containers": [{"name": "c", "image": "i"}]}
    pod = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name}, "spec": spec}
    (await client.post("/api/v1/namespaces/default/pods", json=pod)).raise_for_status()
    if bound:
        target = {"kind": "Node", "name": "n1"}
        binding = {"kind": "Binding", "apiVersion": "v1", "metadata": {"name": name}}
        path = f"/api/v1/namespaces/default/pods/{name}/binding"
        answer = await client.post(path, json={**binding, "target": target})
        assert answer.json()["status"] == "Success", answer.text
        again = await client.post(path, json={**binding, "target": target})
        assert again.status_code == 409
        assert f'pod {name} is already assigned to node "n1"' in again.json()["message"]


async def test_logs_are_passed_through(client: httpx.AsyncClient, kubelet: Kubelet) -> None:
    path = "/api/v1/namespaces/default/pods"
    answer = await client.get(f"{path}/talks/log?tailLines=2&follow=true&timestamps=true")
    assert answer.text == "one\ntwo\n"
    assert answer.headers["content-type"] == "text/plain"
    assert kubelet.asked == [
        "/containerLogs/default/talks/c?follow=true&timestamps=true&tailLines=2"
    ]
    refused = await client.get(f"{path}/waits/log")
    assert refused.status_code == 400
    assert refused.json()["message"].endswith("is waiting to start: ContainerCreating")
    assert (await client.get(f"{path}/unbound/log")).text == ""
    assert (await client.get(f"{path}/none/log")).status_code == 404


def connect(apiserver: Any, query: str, protocol: str = PROTOCOL) -> Any:
    context = ssl.create_default_context(cafile=str(apiserver.ca_file))
    url = f"wss://127.0.0.1:{apiserver.port}/api/v1/namespaces/default/pods/{query}"
    return websockets.connect(
        url, ssl=context, subprotocols=[websockets.Subprotocol(protocol)],
        additional_headers={"Authorization": f"Bearer {TOKEN}"}, compression=None,
    )  # fmt: skip


async def test_exec_is_a_tunnel(
    apiserver: Any, client: httpx.AsyncClient, kubelet: Kubelet
) -> None:
    query = "talks/exec?command=cat&command=-n&stdin=true&stdout=true"
    async with asyncio.timeout(10), connect(apiserver, query) as socket:
        assert socket.subprotocol == PROTOCOL
        big = b"x" * 300_000
        for text in (b"hello", big):
            await socket.send(b"\x00" + text)
            assert await socket.recv() == b"\x01" + text.upper()
        await socket.send(b"\xff\x00")
        assert await socket.recv() == b'\x03{"metadata":{},"status":"Success"}'
        with pytest.raises(websockets.ConnectionClosedOK):
            await socket.recv()
    assert kubelet.asked == ["/exec/default/talks/c?command=cat&command=-n&input=1&output=1"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("talks/exec?stdout=true", "you must specify a command"),
        ("talks/exec?command=ls", "at least one of stdin, stdout, stderr"),
        ("talks/exec?command=ls&stdout=1&container=x", "container x is not valid for pod talks"),
        ("unbound/exec?command=ls&stdout=1", "does not have a host assigned"),
    ],
)
async def test_exec_refused(
    apiserver: Any, client: httpx.AsyncClient, query: str, words: str
) -> None:
    with pytest.raises(websockets.InvalidStatus) as refusal:
        await connect(apiserver, query)
    assert refusal.value.response.status_code == 400
    assert words in (refusal.value.response.body or b"").decode()


async def test_spdy_is_refused_clearly(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/api/v1/namespaces/default/pods/talks/exec?command=ls&stdout=1",
        headers={"Connection": "Upgrade", "Upgrade": "SPDY/3.1"},
    )
    assert answer.status_code == 400
    assert "WebSocket" in answer.json()["message"]


async def test_an_unreachable_kubelet_is_an_error(client: httpx.AsyncClient) -> None:
    node = (await client.get("/api/v1/nodes/n1")).json()
    node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"] = 1
    (await client.put("/api/v1/nodes/n1/status", json=node)).raise_for_status()
    answer = await client.get("/api/v1/namespaces/default/pods/talks/log")
    assert answer.status_code == 500
    assert "error dialing backend" in answer.json()["message"]
