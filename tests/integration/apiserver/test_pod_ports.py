"""port-forward, attach and proxy by unmodified clients: real API server, the kubelet's real server.

Only the engine is played, and "the pod's network" is this machine's: its ports are a small HTTP server.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import ssl
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import kubernetes
import kubernetes.stream
import pytest
import websockets
from websockets.asyncio.server import ServerConnection

from tests.integration.apiserver.pod_site import (
    BIG,
    HANGING,
    LET_GO,
    TOKEN,
    Site,
    site,
    web,
)
from wherry.daemon.certificate import load_context, self_signed_pem

__all__ = ["site"]  # a fixture
needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on PATH")


# --- proxy ---


@pytest.mark.parametrize(
    "name",
    ["pods/web", "pods/web:http", "pods/http:web:{}", "pods/web:{}", "services/web:http",
     "services/web:80", "services/http:web:80"],
)  # fmt: skip
async def test_whom_a_proxy_path_means(site: Site, name: str) -> None:
    path = f"{site.base}/{name.format(site.node.web_port)}/proxy/a%2Fb//c/d?x=1&y"
    answer = await site.client.get(httpx.URL(str(site.client.base_url), raw_path=path.encode()))
    assert answer.text == "GET /a%2Fb//c/d?x=1&y False\n"
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_all_methods_and_bodies(site: Site, method: str) -> None:
    path = f"{site.base}/pods/web/proxy/x"
    answer = await site.client.request(method, path, content=b"body")
    assert answer.content == f"{method} /x False\nbody".encode()


async def test_head_and_big_and_chunked_bodies(site: Site) -> None:
    proxy = f"{site.base}/services/web:http/proxy"
    head = await site.client.head(f"{proxy}/big")
    assert (head.headers["content-length"], head.content) == (str(len(BIG)), b"")
    found = await asyncio.gather(*(site.client.get(f"{proxy}/big") for _ in range(8)))
    assert all(one.content == BIG for one in found)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"x" * 10_000

    assert (await site.client.post(f"{proxy}/up", content=pieces())).content == b"x" * 500_000


async def test_links_and_redirects_stay_within_the_proxy(site: Site) -> None:
    proxy = f"{site.base}/services/web:http/proxy"
    page = (await site.client.get(f"{proxy}/page")).text
    assert (
        page == f'<html><a href="{proxy}/next">next</a><a href="http://elsewhere/">out</a></html>'
    )
    moved = await site.client.get(f"{proxy}/moved")
    assert (moved.status_code, moved.headers["location"]) == (302, f"{proxy}/page?x=1")
    root = await site.client.get(f"{proxy}?q=1")
    assert (root.status_code, root.headers["location"]) == (301, f"{proxy}/?q=1")
    written = await site.client.post(f"{proxy}?q=1")  # only who reads is led on
    assert written.text == "POST /?q=1 False\n"


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("services/web/proxy/", 503, 'no endpoints available for service "web"'),
        ("services/web:81/proxy/", 503, 'no service port 81 found for service "web"'),
        ("services/none/proxy/", 404, 'services "none" not found'),
        ("pods/web:1/proxy/", 503, "connect: connection refused"),
        ("pods/web/proxy/silent", 503, "error trying to reach service: EOF"),
        ("pods/ftp:web:80/proxy/", 400, 'invalid pod request "ftp:web:80"'),
    ],
)
async def test_refusals(site: Site, path: str, code: int, words: str) -> None:
    answer = await site.client.get(f"{site.base}/{path}")
    assert answer.status_code == code
    assert words in answer.json()["message"]


async def test_a_node_means_its_kubelet(site: Site) -> None:
    node = f"/api/v1/nodes/{site.node.namespace}"
    assert (await site.client.get(f"{node}/proxy/healthz")).text == "ok"
    assert (await site.client.get(f"{node}:{site.kubelet_port}/proxy/healthz")).text == "ok"
    refused = await site.client.get(f"{node}:{site.node.web_port}/proxy/x")
    assert refused.json()["message"] == "address not allowed"  # this test's node is localhost


@pytest.mark.parametrize("how", ["short", "length", "chunk"])
async def test_an_answer_that_breaks_off_does_so_for_the_client(site: Site, how: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await site.client.get(f"{site.base}/pods/web/proxy/broken-{how}")
    assert (await site.client.get(f"{site.base}/pods/web/proxy/x")).status_code == 200


async def test_a_client_that_goes_is_not_waited_for(site: Site) -> None:
    async with asyncio.timeout(60):
        asking = asyncio.create_task(site.client.get(f"{site.base}/pods/web/proxy/hangs"))
        await HANGING.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await LET_GO.wait()


async def test_pods_that_speak_tls(site: Site) -> None:
    context = load_context(self_signed_pem(["whoever"]))
    async with await asyncio.start_server(web, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        answer = await site.client.get(f"{site.base}/pods/https:web:{port}/proxy/big")
        assert answer.content == BIG
        plain = await site.client.get(f"{site.base}/pods/web:{port}/proxy/")
        assert "error trying to reach service" in plain.json()["message"]


async def test_websockets_through_the_proxy(site: Site) -> None:
    async def talk(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(f"{connection.request.path} {message!s}")  # type: ignore[union-attr]

    context = ssl.create_default_context(cafile=str(site.apiserver.ca_file))
    async with websockets.serve(talk, "127.0.0.1", 0) as server, asyncio.timeout(60):
        port = next(iter(server.sockets)).getsockname()[1]
        url = f"wss://127.0.0.1:{site.apiserver.port}{site.base}/pods/web:{port}/proxy/chat?a=1"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with websockets.connect(url, ssl=context, additional_headers=headers) as client:
            await client.send("hello")
            assert await client.recv() == "/chat?a=1 hello"


# --- port-forward and attach ---


async def kubectl(site: Site, *words: str, **more: Any) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        "kubectl", f"--kubeconfig={site.apiserver.kubeconfig}",
        f"--namespace={site.node.namespace}", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, **more,
    )  # fmt: skip


async def raw(port: int, data: bytes, *, half_close: bool = False) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    if half_close:
        writer.write_eof()
    found = await reader.read(-1)
    writer.close()
    return found


@needs_kubectl
@pytest.mark.parametrize("what", ["pod/web"])
async def test_kubectl_port_forward(site: Site, what: str) -> None:
    child = await kubectl(site, "port-forward", what, f":{site.node.web_port}", ":1")
    assert child.stdout is not None
    try:
        async with asyncio.timeout(60):
            ports = [await local_port(child.stdout), await local_port(child.stdout)]
            get = b"GET /big HTTP/1.0\r\n\r\n"
            found = await asyncio.gather(*(raw(ports[0], get) for _ in range(20)))
            assert all(one.endswith(BIG) for one in found)
            sent = b"x" * 1_000_000
            ended = await raw(ports[0], b"POST /eof HTTP/1.0\r\n\r\n" + sent, half_close=True)
            assert ended.endswith(sent.upper())
            # Nobody listens there: kubectl says so and, as with upstream, ends.
            assert await raw(ports[1], b"hello") == b""
            _, errors = await child.communicate()
            assert b"error forwarding port 1 to pod web, uid u: connect: connection" in errors
    finally:
        if child.returncode is None:
            child.kill()
            await child.communicate()


async def local_port(lines: asyncio.StreamReader) -> int:
    """`Forwarding from 127.0.0.1:PORT -> 80`, and the same for [::1]."""
    while line := (await lines.readline()).decode():
        if line.startswith("Forwarding from 127"):
            return int(line.split(" -> ")[0].rpartition(":")[2])
    raise AssertionError("kubectl does not forward")


@needs_kubectl
async def test_kubectl_is_told_the_real_cause(site: Site) -> None:
    site.node.containers = lambda uid: []  # type: ignore[method-assign,assignment]
    for words, cause in (
        (("port-forward", "web", ":80"), b'pod "web" is not running'),
        (("exec", "web", "--", "ls"), b'unable to upgrade connection: container not found ("c")'),
        (("attach", "web"), b'unable to upgrade connection: container not found ("c")'),
    ):
        child = await kubectl(site, *words)
        async with asyncio.timeout(60):
            _, errors = await child.communicate()
        assert child.returncode == 1
        assert cause in errors


@needs_kubectl
async def test_kubectl_attach(site: Site) -> None:
    child = await kubectl(site, "attach", "-i", "web", stdin=asyncio.subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    async with asyncio.timeout(60):
        child.stdin.write(b"hello\n")
        assert await child.stdout.readline() == b"HELLO\n"
        child.stdin.close()  # the container's input stays open: it has no stdinOnce
        await asyncio.sleep(0)
        child.kill()
        await child.communicate()


async def wherry(site: Site, *words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "wherry"), *words, "-n", site.node.namespace,
        env={**os.environ, "KUBECONFIG": str(site.apiserver.kubeconfig)},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # A test run in the background of a script ignores SIGINT, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


async def test_wherry_port_forward(site: Site) -> None:
    child = await wherry(site, "port-forward", "web", ":http", ":1", "--address=127.0.0.1")
    assert child.stdout is not None
    try:
        async with asyncio.timeout(60):
            ports = [await local_port(child.stdout), await local_port(child.stdout)]
            get = b"GET /big HTTP/1.0\r\n\r\n"
            found = await asyncio.gather(*(raw(ports[0], get) for _ in range(5)))
            assert all(one.endswith(BIG) for one in found)
            assert await raw(ports[1], b"hello") == b""
            child.send_signal(signal.SIGINT)
            _, errors = await child.communicate()
        assert b"error forwarding port 1 to pod web" in errors
        assert b"Traceback" not in errors
    finally:
        if child.returncode is None:
            child.kill()
            await child.communicate()


async def test_wherry_attach(site: Site) -> None:
    child = await wherry(site, "attach", "-i", "web")
    async with asyncio.timeout(60):
        out, _ = await child.communicate(b"bye\n")  # with this word the process ends
    assert (out, child.returncode) == (b"BYE\n", 0)


async def test_python_clients_port_forward(site: Site) -> None:
    port = site.node.web_port

    def run() -> tuple[bytes, str]:
        api = kubernetes.config.new_client_from_config(config_file=str(site.apiserver.kubeconfig))
        core = kubernetes.client.CoreV1Api(api)
        forward = kubernetes.stream.portforward(
            core.connect_get_namespaced_pod_portforward, "web", site.node.namespace,
            ports=f"{port},1",
        )  # fmt: skip
        try:
            sock = forward.socket(port)
            sock.settimeout(60)
            sock.sendall(b"GET /big HTTP/1.0\r\n\r\n")
            found = b""
            while len(found) < len(BIG) and (piece := sock.recv(65536)):
                found += piece
            deadline = time.monotonic() + 60
            while forward.error(1) is None and time.monotonic() < deadline:
                time.sleep(0.02)
            return found, str(forward.error(1))
        finally:
            forward.close()
            forward.websocket.shutdown()  # its own close leaves the connection behind
            api.close()

    async with asyncio.timeout(60):
        found, error = await asyncio.to_thread(run)
    assert found.endswith(BIG[-1000:])
    assert error == "error forwarding port 1 to pod web, uid u: connect: connection refused"
