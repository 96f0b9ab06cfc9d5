"""log and exec through a real API server to a stand-in kubelet that speaks the real protocol."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import kubernetes
import kubernetes.stream
import pytest
import websockets
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from tests.integration.conftest import START_SECONDS, ApiServer, free_port
from wherry.daemon.certificate import load_context, self_signed_pem

TOKEN = "test-token"
PROTOCOL = "v5.channel.k8s.io"
OLD_PROTOCOL = "v4.channel.k8s.io"
DONE = b'\x03{"metadata":{},"status":"Success"}'


@dataclass
class Kubelet:
    """Answers /containerLogs and /exec as a kubelet does, and remembers what it was asked."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    refusal: str = ""  # of every stream

    async def http(self, connection: ServerConnection, request: Request) -> Response | None:
        self.asked.append(request.path)
        if self.refusal:
            return Response(500, "Error", Headers(), self.refusal.encode())
        if "/talks/" in request.path and request.path.startswith("/containerLogs/"):
            return Response(200, "OK", Headers({"Content-Type": "text/plain"}), b"one\ntwo\n")
        if request.path.startswith("/containerLogs/"):
            words = b'container "c" in pod "waits" is waiting to start: ContainerCreating'
            return Response(400, "Bad Request", Headers(), words)
        return None

    async def exec(self, socket: ServerConnection) -> None:
        """`hello` says so and ends; anything else answers its input in capitals."""
        assert socket.request is not None
        if "command=hello" in socket.request.path:
            await socket.send(b"\x01hello\n")
            await socket.send(b"\x02oh\n")
            await socket.send(DONE)
            return
        async for message in socket:
            assert isinstance(message, bytes)
            if message[:1] == b"\x00":
                await socket.send(b"\x01" + message[1:].upper())
            if message == b"\xff\x00":  # v5: the client closed stdin
                await socket.send(DONE)
                return


@pytest.fixture
async def kubelet() -> AsyncIterator[Kubelet]:
    found = Kubelet()
    context = load_context(self_signed_pem(["127.0.0.1"]))
    async with serve(
        found.exec, "127.0.0.1", 0, ssl=context, process_request=found.http,
        subprotocols=[websockets.Subprotocol(one) for one in (PROTOCOL, OLD_PROTOCOL)],
        compression=None,
    ) as server:  # fmt: skip
        found.port = next(iter(server.sockets)).getsockname()[1]
        yield found


@dataclass
class Site:
    """Pods of a namespace of one's own on a node whose kubelet is the stand-in."""

    client: httpx.AsyncClient
    name: str

    @property
    def pods(self) -> str:
        return f"/api/v1/namespaces/{self.name}/pods"

    async def prepare(self, port: int) -> None:
        client = self.client
        for path, kind, name in (
            ("namespaces", "Namespace", self.name),
            (f"namespaces/{self.name}/serviceaccounts", "ServiceAccount", "default"),
            ("nodes", "Node", self.name),
        ):
            made = {"kind": kind, "apiVersion": "v1", "metadata": {"name": name}}
            (await client.post(f"/api/v1/{path}", json=made)).raise_for_status()
        await self.move_kubelet(port)
        for name in ("talks", "waits", "unbound"):
            await self.make_pod(name)
        for name in ("talks", "waits"):
            assert (await self.bind(name)).json()["status"] == "Success"

    async def move_kubelet(self, port: int) -> None:
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        }
        node = (await self.client.get(f"/api/v1/nodes/{self.name}")).json()
        path = f"/api/v1/nodes/{self.name}/status"
        (await self.client.put(path, json={**node, "status": status})).raise_for_status()

    async def make_pod(self, name: str) -> None:
        spec = {"containers": [{"name": "c", "image": "i"}]}
        pod = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name}, "spec": spec}
        (await self.client.post(self.pods, json=pod)).raise_for_status()

    async def bind(self, name: str) -> httpx.Response:
        target = {"kind": "Node", "name": self.name}
        binding = {"kind": "Binding", "apiVersion": "v1", "metadata": {"name": name}}
        return await self.client.post(
            f"{self.pods}/{name}/binding", json={**binding, "target": target}
        )


@pytest.fixture
async def site(shared_apiserver: Any, kubelet: Kubelet) -> AsyncIterator[Site]:
    async with shared_apiserver.client() as client:
        site = Site(client, f"s-{uuid.uuid4().hex[:8]}")
        await site.prepare(kubelet.port)
        yield site


async def test_binding_is_final(site: Site) -> None:
    again = await site.bind("talks")
    assert again.status_code == 409
    assert again.json()["message"] == (
        'Operation cannot be fulfilled on pods/binding "talks": pod talks is already assigned to '
        f'node "{site.name}"'
    )
    pod = (await site.client.get(f"{site.pods}/talks")).json()
    assert pod["spec"]["nodeName"] == site.name
    (condition,) = pod["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("PodScheduled", "True")


async def test_logs_are_passed_through(site: Site, kubelet: Kubelet) -> None:
    client, path = site.client, site.pods
    answer = await client.get(f"{path}/talks/log?tailLines=2&follow=true&timestamps=true")
    assert answer.text == "one\ntwo\n"
    assert answer.headers["content-type"] == "text/plain"
    assert kubelet.asked == [
        f"/containerLogs/{site.name}/talks/c?follow=true&timestamps=true&tailLines=2"
    ]
    refused = await client.get(f"{path}/waits/log")
    assert refused.status_code == 400
    assert refused.json()["message"].endswith("is waiting to start: ContainerCreating")
    assert (await client.get(f"{path}/unbound/log")).text == ""
    assert (await client.get(f"{path}/none/log")).status_code == 404


@pytest.mark.parametrize(
    ("protocol", "want"),
    [
        ("", b"one\ntwo\n"),
        ("binary.k8s.io", b"one\ntwo\n"),
        ("base64.binary.k8s.io", "b25lCnR3bwo="),
    ],
)
async def test_logs_over_a_websocket(
    shared_apiserver: Any, site: Site, protocol: str, want: bytes | str
) -> None:
    async with connect(shared_apiserver, site, "talks/log?follow=true", protocol) as socket:
        async with asyncio.timeout(60):
            assert await socket.recv() == want
            with pytest.raises(websockets.ConnectionClosedOK):
                await socket.recv()
        assert (socket.subprotocol or "") == protocol


async def test_logs_over_a_websocket_refused(shared_apiserver: Any, site: Site) -> None:
    for query, protocol in (("waits/log", "binary.k8s.io"), ("talks/log", "v9.k8s.io")):
        with pytest.raises(websockets.InvalidStatus) as refusal:
            await connect(shared_apiserver, site, query, protocol)
        assert refusal.value.response.status_code == 400


def connect(apiserver: Any, site: Site, query: str, protocol: str = PROTOCOL) -> Any:
    context = ssl.create_default_context(cafile=str(apiserver.ca_file))
    url = f"wss://127.0.0.1:{apiserver.port}{site.pods}/{query}"
    return websockets.connect(
        url, ssl=context,
        subprotocols=[websockets.Subprotocol(protocol)] if protocol else None,
        additional_headers={"Authorization": f"Bearer {TOKEN}"}, compression=None,
    )  # fmt: skip


async def test_exec_is_a_tunnel(shared_apiserver: Any, site: Site, kubelet: Kubelet) -> None:
    query = "talks/exec?command=cat&command=-n&stdin=true&stdout=true"
    async with asyncio.timeout(60), connect(shared_apiserver, site, query) as socket:
        assert socket.subprotocol == PROTOCOL
        big = b"x" * 300_000
        for text in (b"hello", big):
            await socket.send(b"\x00" + text)
            assert await socket.recv() == b"\x01" + text.upper()
        await socket.send(b"\xff\x00")
        assert await socket.recv() == DONE
        with pytest.raises(websockets.ConnectionClosedOK):
            await socket.recv()
    assert kubelet.asked == [f"/exec/{site.name}/talks/c?command=cat&command=-n&input=1&output=1"]


@pytest.fixture
def refusing(apiserver: Any, tmp_path: Path) -> Iterator[ApiServer]:
    """A second server, whose admission refuses everything: its own objects, too, so it is never ready."""
    flags = ["--enable-admission-plugins=AlwaysDeny"]
    server = ApiServer(tmp_path, apiserver.etcd, free_port(), flags)
    server.start(wait=False)
    deadline = time.monotonic() + START_SECONDS
    while not server.answers("/readyz/informer-sync"):
        assert time.monotonic() < deadline, server.log
        time.sleep(0.02)
    yield server
    server.kill()


async def test_admission_is_asked(apiserver: Any, refusing: Any, kubelet: Kubelet) -> None:
    async with apiserver.client() as client, refusing.client() as other:
        site = Site(client, "admitted")
        await site.prepare(kubelet.port)
        for path in ("exec?command=ls&stdout=1", "attach?stdout=1", "portforward?ports=80"):
            with pytest.raises(websockets.InvalidStatus) as refusal:
                await connect(refusing, site, f"talks/{path}")
            assert refusal.value.response.status_code == 403
        for path in (f"{site.pods}/talks", f"/api/v1/nodes/{site.name}"):
            answer = await other.get(f"{path}/proxy/x")
            assert answer.status_code == 403, answer.text
    assert kubelet.asked == []


async def test_a_server_that_stops_takes_its_leave(apiserver: Any, kubelet: Kubelet) -> None:
    async with apiserver.client() as client, asyncio.timeout(60):
        site = Site(client, "leave")
        await site.prepare(kubelet.port)
        query = "talks/exec?command=cat&stdin=true&stdout=true"
        async with connect(apiserver, site, query) as socket:
            await socket.send(b"\x00a")
            assert await socket.recv() == b"\x01A"
            apiserver.process.send_signal(signal.SIGTERM)
            await socket.send(b"\x00b")  # it has some time yet
            assert await socket.recv() == b"\x01B"
            with pytest.raises(websockets.ConnectionClosedOK) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001
    assert await asyncio.to_thread(apiserver.process.wait, 10) == 0
    assert "Traceback" not in apiserver.log


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("talks/exec?stdout=true", "you must specify a command"),
        ("talks/exec?command=ls", "at least one of stdin, stdout, stderr"),
        ("talks/exec?command=ls&stdout=1&container=x", "container x is not valid for pod talks"),
        ("unbound/exec?command=ls&stdout=1", "does not have a host assigned"),
    ],
)
async def test_exec_refused(shared_apiserver: Any, site: Site, query: str, words: str) -> None:
    with pytest.raises(websockets.InvalidStatus) as refusal:
        await connect(shared_apiserver, site, query)
    assert refusal.value.response.status_code == 400
    assert words in (refusal.value.response.body or b"").decode()


@pytest.mark.parametrize(
    ("verb", "target"),
    [
        ("exec", "/exec/{}/talks/c?command=ls&output=1"),
        ("attach", "/attach/{}/talks/c?output=1"),
        ("portforward", "/portForward/{}/talks"),
    ],
)
async def test_spdy_is_refused_by_the_kubelet(
    site: Site, kubelet: Kubelet, verb: str, target: str
) -> None:
    query = "command=ls&stdout=1" if verb == "exec" else "stdout=1"
    kubelet.refusal = 'container not found ("c")'
    answer = await site.client.post(
        f"{site.pods}/talks/{verb}?{query}",
        headers={"Connection": "Upgrade", "Upgrade": "SPDY/3.1"},
    )
    assert (answer.status_code, answer.text) == (500, 'container not found ("c")')
    assert kubelet.asked == [target.format(site.name)]


async def test_an_unreachable_kubelet_is_an_error(site: Site) -> None:
    await site.move_kubelet(1)
    answer = await site.client.get(f"{site.pods}/talks/log")
    assert answer.status_code == 500
    assert "error dialing backend" in answer.json()["message"]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on PATH")
async def test_kubectl_exec_and_logs(
    shared_apiserver: Any, site: Site, kubelet: Kubelet, tmp_path: Path
) -> None:
    async def kubectl(*arguments: str, stdin: bytes = b"") -> tuple[bytes, bytes, int | None]:
        child = await asyncio.create_subprocess_exec(
            "kubectl", f"--kubeconfig={shared_apiserver.kubeconfig}", f"--namespace={site.name}",
            *arguments,
            env={**os.environ, "HOME": str(tmp_path)},
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(60):
            out, err = await child.communicate(stdin)
        return out, err, child.returncode

    assert await kubectl("exec", "talks", "--", "hello") == (b"hello\n", b"oh\n", 0)
    assert (await kubectl("exec", "-i", "talks", "--", "cat", stdin=b"abc"))[0] == b"ABC"
    assert (await kubectl("logs", "-f", "talks"))[0] == b"one\ntwo\n"
    _, err, code = await kubectl("logs", "waits")
    assert code == 1
    assert b"is waiting to start: ContainerCreating" in err
    _, err, code = await kubectl("exec", "talks", "-c", "none", "--", "hello")
    assert code == 1
    assert b"container none is not valid for pod talks" in err


async def test_python_clients_exec(shared_apiserver: Any, site: Site, kubelet: Kubelet) -> None:
    def run() -> str:
        api = kubernetes.config.new_client_from_config(config_file=str(shared_apiserver.kubeconfig))
        core = kubernetes.client.CoreV1Api(api)
        try:
            socket = kubernetes.stream.stream(
                core.connect_get_namespaced_pod_exec, "talks", site.name, command=["hello"],
                stdout=True, stderr=True, stdin=False, tty=False, _preload_content=False,
            )  # fmt: skip
            socket.run_forever(timeout=60)
            assert socket.returncode == 0
            return f"{socket.read_stdout()}{socket.read_stderr()}"
        finally:
            socket.sock.shutdown()  # its own close leaves the connection behind
            api.close()

    async with asyncio.timeout(60):
        assert await asyncio.to_thread(run) == "hello\noh\n"
