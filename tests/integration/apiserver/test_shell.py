"""The HTTP shell on a real server: refusals, limits, pages, the end of watches."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from typing import Any

import httpx
import pytest

from tests.integration.ending import gone

PODS = "/api/v1/namespaces/default/pods"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": data}


async def test_unknown_paths_and_methods(shared_apiserver: Any) -> None:
    async with shared_apiserver.client() as client:
        for path in ("/api/v1/nopes", "/apis/none/v1/x", "/api/v1/namespaces/a%2Fb/pods"):
            answer = await client.get(path)
            assert answer.status_code == 404
            assert answer.json()["message"] == "the server could not find the requested resource"
        answer = await client.put(PODS, json={})
        assert (answer.status_code, answer.json()["reason"]) == (405, "MethodNotAllowed")
        answer = await client.get("/nope")
        assert answer.status_code == 404
        assert "/version" in answer.json()["paths"]


async def test_head_of_every_answer(shared_apiserver: Any) -> None:
    async with shared_apiserver.client() as client:
        answer = await client.get(PODS, headers={"Audit-ID": "mine"})
        assert answer.headers["audit-id"] == "mine"
        assert answer.headers["cache-control"] == "no-cache, private"
        assert len((await client.get(PODS)).headers["audit-id"]) == 36


async def test_warnings_are_headers(shared_apiserver: Any) -> None:
    async with shared_apiserver.client() as client:
        odd = {**config_map("odd"), "nope": 1}
        answer = await client.post(f"{CONFIG_MAPS}?dryRun=All", json=odd)
        assert answer.headers["warning"] == '299 - "unknown field \\"nope\\""'
        strict = await client.post(f"{CONFIG_MAPS}?fieldValidation=Strict", json=odd)
        assert strict.status_code == 400
        assert 'strict decoding error: unknown field "nope"' in strict.json()["message"]


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
async def test_bodies_have_a_limit(shared_apiserver: Any, declared: bool) -> None:
    async def chunks() -> Any:
        for _ in range(4):
            yield b" " * (1024 * 1024)

    async with shared_apiserver.client() as client:
        content: Any = b" " * (4 * 1024 * 1024) if declared else chunks()
        headers = {"Content-Type": "application/json"}
        answer = await client.post(CONFIG_MAPS, content=content, headers=headers)
        assert answer.status_code == 413
        assert answer.json()["reason"] == "RequestEntityTooLarge"


async def test_version_health_metrics(shared_apiserver: Any) -> None:
    async with shared_apiserver.client() as client:
        version = (await client.get("/version")).json()
        assert (version["major"], version["minor"]) == ("1", "36")
        assert version["gitVersion"].startswith("v1.36.2+wherry.")
        for path in ("/healthz", "/livez", "/readyz", "/readyz/etcd", "/livez/ping"):
            assert (await client.get(path)).text == "ok"
        assert "[+]etcd ok" in (await client.get("/readyz?verbose")).text
        metrics = (await client.get("/metrics")).text
        assert "apiserver_request_total{" in metrics
        assert 'apiserver_resource_objects{group="",resource="namespaces"}' in metrics
        assert "kubernetes_build_info{" in metrics
        assert "process_resident_memory_bytes" in metrics
        assert "apiserver_request_duration_seconds_bucket{" in metrics


async def test_big_lists_are_compressed_when_asked(shared_apiserver: Any) -> None:
    async with shared_apiserver.client() as client:
        for number in range(3):
            big = config_map(f"big-{number}", text="x" * 100_000)
            (await client.post(CONFIG_MAPS, json=big)).raise_for_status()
        packed = await client.get(CONFIG_MAPS, headers={"Accept-Encoding": "gzip"})
        assert packed.headers["content-encoding"] == "gzip"
        plain = await client.get(CONFIG_MAPS, headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert packed.json() == plain.json()
        small = await client.get(PODS, headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in small.headers


async def metric(client: httpx.AsyncClient, name: str) -> float:
    lines = (await client.get("/metrics")).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name}{{"))


async def eventually(client: httpx.AsyncClient, name: str, want: float) -> None:
    async with asyncio.timeout(60):
        while await metric(client, name) != want:  # another process's state
            await asyncio.sleep(0.05)


async def test_a_watch_ends_with_its_client_and_with_the_server(apiserver: Any) -> None:
    gauge = "apiserver_longrunning_requests"
    async with apiserver.client() as client:
        async with client.stream("GET", f"{CONFIG_MAPS}?watch=true"):
            await eventually(client, gauge, 1)
        await eventually(client, gauge, 0)
        await client.post(CONFIG_MAPS, json=config_map("x"))
        async with client.stream("GET", f"{CONFIG_MAPS}?watch=true&resourceVersion=0") as answer:
            lines = answer.aiter_lines()
            assert json.loads(await anext(lines))["object"]["metadata"]["name"] == "x"
            stopped = asyncio.create_task(asyncio.to_thread(apiserver.stop))
            async with asyncio.timeout(60):
                rest = [line async for line in lines]  # a proper end, no broken stream
            assert all(json.loads(line)["type"] == "BOOKMARK" for line in rest)
            assert await stopped == 0


async def test_answers_while_etcd_is_away_and_comes_back(apiserver: Any) -> None:
    async with apiserver.client() as client:
        (await client.post(CONFIG_MAPS, json=config_map("kept"))).raise_for_status()
        apiserver.etcd.pause()
        try:
            ready = await client.get("/readyz?verbose")
            assert ready.status_code == 500
            assert "[-]etcd failed" in ready.text
            assert (await client.get("/livez")).text == "ok"
            cached = await client.get(f"{CONFIG_MAPS}/kept?resourceVersion=0")
            assert cached.status_code == 200
            fresh = await client.get(f"{CONFIG_MAPS}/kept")
            assert fresh.status_code in (503, 504)
            assert int(fresh.headers["retry-after"]) >= 1
        finally:
            apiserver.etcd.resume()
        async with asyncio.timeout(60):
            while (await client.get("/readyz")).status_code != 200:
                await asyncio.sleep(0.05)
        assert (await client.get(f"{CONFIG_MAPS}/kept")).status_code == 200


async def test_odd_requests_do_not_harm(shared_apiserver: Any) -> None:
    context = ssl.create_default_context(cafile=str(shared_apiserver.ca_file))
    token = "Authorization: Bearer test-token\r\n"
    for text, want in [
        ("nonsense\r\n\r\n", b"HTTP/1.1 400"),
        (f"GET /version HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n{token}\r\n",
         b"HTTP/1.1 200"),
        (f"GET /api/v1/namespaces/\xe9/pods HTTP/1.1\r\nHost: x\r\n{token}\r\n", b"HTTP/1.1 400"),
        (f"POST {PODS} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n{token}\r\n",
         b"HTTP/1.1 100"),
    ]:  # fmt: skip
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", shared_apiserver.port, ssl=context
        )
        writer.write(text.encode("latin-1"))
        async with asyncio.timeout(60):
            assert (await reader.read(12)) == want, text
        await gone(writer)
    with socket.create_connection(("127.0.0.1", shared_apiserver.port)) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")  # not TLS
        plain.settimeout(60)
        assert not plain.recv(1024).startswith(b"HTTP/1.1 200")
    assert shared_apiserver.answers("/readyz")


async def test_pipelined_requests_are_answered_in_order(shared_apiserver: Any) -> None:
    context = ssl.create_default_context(cafile=str(shared_apiserver.ca_file))
    reader, writer = await asyncio.open_connection("127.0.0.1", shared_apiserver.port, ssl=context)
    head = "HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer test-token\r\n\r\n"
    writer.write(f"GET /api/v1/nopes {head}GET /api/v1 {head}".encode())
    async with asyncio.timeout(60):
        first = await reader.readuntil(b"\r\n")
        await reader.readuntil(b'"code":404}\n')
        second = await reader.readuntil(b"\r\n")
    await gone(writer)
    assert first.startswith(b"HTTP/1.1 404")
    assert second.startswith(b"HTTP/1.1 200")
