"""What clients see when etcd or the API server goes away and comes back."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

PATH = "/api/v1/namespaces/default/configmaps"


async def make(client: httpx.AsyncClient, name: str) -> dict[str, Any]:
    body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}}
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def eventually(check: Callable[[], Awaitable[bool]], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < deadline, "it never happened"
        await asyncio.sleep(0.1)


async def test_etcd_goes_and_comes_back(apiserver: Any) -> None:
    async with apiserver.client() as client:
        since = (await make(client, "a"))["metadata"]["resourceVersion"]
        query = {"watch": "1", "resourceVersion": since}
        async with client.stream("GET", PATH, params=query) as watch:
            apiserver.etcd.kill()
            stale = await client.get(PATH, params={"resourceVersion": "0"})
            assert [item["metadata"]["name"] for item in stale.json()["items"]] == ["a"]
            started = time.monotonic()
            refused = await client.get(PATH)
            assert refused.status_code in (503, 504)
            assert refused.headers["retry-after"]
            assert time.monotonic() - started < 8
            apiserver.etcd.start()

            async def reads() -> bool:
                return (await client.get(PATH)).status_code == 200

            await eventually(reads)
            await make(client, "b")
            async with asyncio.timeout(60):
                line = await anext(watch.aiter_lines())
            assert json.loads(line)["object"]["metadata"]["name"] == "b"


async def test_a_paused_etcd_is_survived(apiserver: Any) -> None:
    async with apiserver.client() as client:
        await make(client, "a")
        apiserver.etcd.pause()
        refused = await client.get(PATH)
        assert refused.status_code in (503, 504)
        apiserver.etcd.resume()

        async def reads() -> bool:
            return (await client.get(PATH)).status_code == 200

        await eventually(reads)


async def test_restart_loses_nothing_and_watches_resume(apiserver: Any) -> None:
    async with apiserver.client() as client:
        since = (await make(client, "a"))["metadata"]["resourceVersion"]
        await make(client, "b")
    apiserver.kill()
    apiserver.start()
    async with apiserver.client() as client:
        query = {"watch": "1", "resourceVersion": since, "timeoutSeconds": "2"}
        answer = await client.get(PATH, params=query)
    events = [json.loads(line) for line in answer.text.splitlines()]
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in events] == [
        ("ADDED", "b")
    ]


async def test_sigterm_ends_watches_properly(apiserver: Any) -> None:
    async with apiserver.client() as client:
        async with client.stream("GET", PATH, params={"watch": "1"}) as watch:
            started = time.monotonic()
            stopping = asyncio.to_thread(apiserver.stop)
            async with asyncio.timeout(60):
                body, code = await asyncio.gather(watch.aread(), stopping)
        assert b"ERROR" not in body
        assert code == 0
        assert time.monotonic() - started < 8
