"""A pod with ports and a service of it, on a node whose kubelet's real server runs in this process.

Only the engine is played, and "the pod's network" is this machine's: its ports are a small HTTP server.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from kubelet.runtime import labels
from kubelet.runtime.protocol import STDOUT, ContainerRecord, State
from kubelet.server.app import Server
from kubelet.server.auth import Caller
from kubelet.server.serve import serve
from wherry.api.core_v1 import Pod
from wherry.daemon.certificate import load_context, self_signed_pem
from wherry.daemon.clock import SystemClock

TOKEN = "test-token"
BIG = os.urandom(3_000_000)
PAGE = b'<html><a href="/next">next</a><a href="http://elsewhere/">out</a></html>'
POD_ADDRESS = "10.99.0.1"  # never connected to: `connect` of this test goes to localhost


HANGING, LET_GO = asyncio.Event(), asyncio.Event()


class Everybody:
    """Lets every caller in: who may is tested elsewhere."""

    async def caller(self, certificate: object, token: str) -> Caller:
        return Caller("apiserver")

    async def may(self, caller: Caller, verb: str, subresources: object) -> bool:
        return True


class Echo:
    """A main process that says back what it is told, in capitals."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()

    async def read(self) -> tuple[int, bytes] | None:
        return await self.said.get()

    async def write(self, data: bytes) -> None:
        await self.said.put((STDOUT, data.upper()))
        if b"bye" in data:
            await self.said.put(None)

    async def close_stdin(self) -> None:
        await self.said.put(None)

    async def resize(self, width: int, height: int) -> None: ...

    async def close(self) -> None: ...


@dataclass
class Node:
    """What the kubelet's server asks of the node: pods, engine, network."""

    namespace: str
    web_port: int = 0
    inspected: int = 0

    def pods(self) -> list[Pod]:
        return []

    def pod(self, namespace: str, name: str) -> Pod | None:
        spec = {"containers": [{"name": "c", "stdin": True}]}
        tree = {"metadata": {"name": name, "namespace": namespace, "uid": "u"}, "spec": spec}
        return Pod.from_wire({**tree, "status": {"podIP": POD_ADDRESS}}) if name == "web" else None

    def containers(self, pod_uid: str) -> list[ContainerRecord]:
        return [
            ContainerRecord(
                kind, State.RUNNING, datetime.now(UTC), started_at=datetime.now(UTC), pid=1,
                labels={labels.TYPE: kind, labels.CONTAINER_NAME: "c"},
            )
            for kind in (labels.TYPE_SANDBOX, labels.TYPE_CONTAINER)
        ]  # fmt: skip

    async def inspect(self, container_id: str) -> ContainerRecord:
        assert container_id == labels.TYPE_SANDBOX
        self.inspected += 1
        return self.containers("u")[0]

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> Echo:
        return Echo()

    async def connect(self, pid: int, addresses: Any, port: int) -> socket.socket:
        found = socket.socket()
        found.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(found, ("127.0.0.1", port))
        except BaseException:
            found.close()
            raise
        return found


async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An HTTP server with a page, a big body, a redirect, an echo, and a half-closed connection."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        await answer(head, reader, writer)
        await writer.drain()
    except (OSError, EOFError):
        pass  # the client left early
    finally:
        writer.close()


async def answer(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    _, *fields = head.lower().split("\r\n")
    method, path = head.split(" ", 2)[:2]
    length = next((int(one.split(":")[1]) for one in fields if one.startswith("content-len")), 0)

    def say(body: bytes, *more: str, status: str = "200 OK") -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *more, "", ""]
        writer.write("\r\n".join(lines).encode() + (b"" if method == "HEAD" else body))

    if path == "/big":
        say(BIG)
    elif path == "/page":
        say(gzip.compress(PAGE), "Content-Type: text/html", "Content-Encoding: gzip")
    elif path == "/moved":
        say(b"", "Location: /page?x=1", status="302 Found")
    elif path == "/eof":
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + (await reader.read()).upper())
    elif path == "/silent":
        return
    elif path == "/hangs":
        HANGING.set()
        await reader.read()
        LET_GO.set()
    elif path.startswith("/broken"):
        broken = {
            "/broken-length": "Content-Length: x",
            "/broken-chunk": "Transfer-Encoding: chunked",
        }
        short = broken.get(path, "Content-Length: 100")
        writer.write(f"HTTP/1.1 200 OK\r\n{short}\r\n\r\nnot a chunk\r\n".encode())
    elif "transfer-encoding: chunked" in fields:
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size + 2)
        say(body.replace(b"\r\n", b""))
    else:
        cookies = ("Set-Cookie: a=1", "Set-Cookie: b=2")
        said = f"{method} {path} {'authorization' in head.lower()}\n".encode()
        say(said + await reader.readexactly(length), *cookies, "X-Path: yes")


@dataclass
class Site:
    """Pod `web` and a service of it, on a node whose kubelet runs in this process."""

    apiserver: Any
    client: httpx.AsyncClient
    node: Node
    kubelet_port: int

    @property
    def base(self) -> str:
        return f"/api/v1/namespaces/{self.node.namespace}"

    async def post(self, path: str, kind: str, name: str, **more: Any) -> None:
        version = "discovery.k8s.io/v1" if kind == "EndpointSlice" else "v1"
        metadata = {"name": name, **more.pop("metadata", {})}
        tree = {"kind": kind, "apiVersion": version, "metadata": metadata, **more}
        (await self.client.post(path, json=tree)).raise_for_status()

    async def prepare(self) -> None:
        name = self.node.namespace
        await self.post("/api/v1/namespaces", "Namespace", name)
        await self.post(f"{self.base}/serviceaccounts", "ServiceAccount", "default")
        await self.post("/api/v1/nodes", "Node", name)
        await self.put_status(
            f"/api/v1/nodes/{name}",
            {
                "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": self.kubelet_port}},
            },
        )
        port = {"name": "http", "containerPort": self.node.web_port}
        container = {"name": "c", "image": "i", "ports": [port], "stdin": True}
        spec = {"containers": [container], "nodeName": name}
        await self.post(f"{self.base}/pods", "Pod", "web", spec=spec)
        running = {"phase": "Running", "podIP": POD_ADDRESS, "podIPs": [{"ip": POD_ADDRESS}]}
        condition = {"type": "Ready", "status": "True"}
        await self.put_status(f"{self.base}/pods/web", {**running, "conditions": [condition]})
        ports = [{"name": "http", "port": 80, "targetPort": "http"}]
        await self.post(f"{self.base}/services", "Service", "web", spec={"ports": ports})
        target = {"kind": "Pod", "name": "web", "namespace": name}
        await self.post(
            f"/apis/discovery.k8s.io/v1/namespaces/{name}/endpointslices", "EndpointSlice", "web-1",
            metadata={"labels": {"kubernetes.io/service-name": "web"}}, addressType="IPv4",
            ports=[{"name": "http", "port": self.node.web_port}],
            endpoints=[{"addresses": [POD_ADDRESS], "targetRef": target}],
        )  # fmt: skip

    async def put_status(self, path: str, status: dict[str, Any]) -> None:
        tree = (await self.client.get(path)).json()
        answer = await self.client.put(
            f"{path}/status", json={**tree, "status": {**tree.get("status", {}), **status}}
        )
        assert answer.is_success, answer.text


@pytest.fixture
async def site(shared_apiserver: Any) -> AsyncIterator[Site]:
    node = Node(f"p-{uuid.uuid4().hex[:8]}")
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    server = Server(node, node, CollectorRegistry(), SystemClock(), node.connect)  # type: ignore[arg-type]
    context = load_context(self_signed_pem(["127.0.0.1"]))
    app = server.app(Everybody())  # type: ignore[arg-type]
    task = asyncio.create_task(
        serve(app, "127.0.0.1", 0, context, on_listening=listening.set_result)
    )
    pages = await asyncio.start_server(web, "127.0.0.1", 0)
    node.web_port = pages.sockets[0].getsockname()[1]
    try:
        async with pages, shared_apiserver.client() as client:
            made = Site(shared_apiserver, client, node, await listening)
            await made.prepare()
            yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
