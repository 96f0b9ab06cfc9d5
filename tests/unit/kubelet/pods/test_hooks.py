"""Lifecycle handlers that ask over HTTP, against a server that answers plainly."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from kubelet.pods import hooks
from wherry.api.core_v1 import Container, LifecycleHandler, Pod


@asynccontextmanager
async def server(status):
    """Its port, and what it was asked."""
    asked = []

    async def answer(reader, writer):
        head = await reader.readline()
        if head.startswith(b"GET"):
            asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as made:
        yield made.sockets[0].getsockname()[1], asked


async def run(port, scheme="HTTP"):
    """The events that it told of."""
    told = []
    services = SimpleNamespace(event=lambda *words: told.append(words[2]))
    handler = LifecycleHandler.from_wire({"httpGet": {"port": port, "scheme": scheme}})
    await hooks.run(services, Pod(), Container(name="c"), handler, "id", "127.0.0.1", 5)
    return told


async def test_any_answer_will_do():
    async with server(500) as (port, asked):
        assert await run(port) == []
    assert "User-Agent: kube-lifecycle/1.36" in asked[0]


async def test_plain_answers_to_https_are_taken():
    async with server(200) as (port, asked):
        assert await run(port, "HTTPS") == ["LifecycleHTTPFallback"]
    assert len(asked) == 1


async def test_nobody_answers():
    async with server(200) as (port, _):
        pass
    with pytest.raises(hooks.HookError, match="refused"):
        await run(port)
