"""Streams and connections of our own uvicorn, in this process: slow, gone and idle clients."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from apiserver.http.exchange import Exchange
from apiserver.http.respond import Responder
from apiserver.http.server import HttpServer, listen
from apiserver.http.tls import ensure_self_signed, server_context
from apiserver.request import Response

STALL_SECONDS = 0.3


@dataclass
class Endless:
    """An application that streams for ever, and says when it stopped."""

    responder: Responder
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 65536
                await asyncio.sleep(0)
        finally:
            self.ended.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        exchange = Exchange(scope, receive, dict(scope["headers"]))
        await self.responder.write(exchange, send, Response(body=self.chunks()), [], True)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[Endless, int]]:
    responder = Responder(STALL_SECONDS)
    app = Endless(responder)
    certificate, key = ensure_self_signed(tmp_path, ["127.0.0.1"])
    assert key.stat().st_mode & 0o077 == 0, "the key is its owner's alone"
    sock = listen("127.0.0.1", 0)
    server = HttpServer(app, responder, server_context(certificate, key, []))
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve([sock]))
        yield app, sock.getsockname()[1]
        server.should_exit = True


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, limit=1024)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    return reader, writer


async def test_who_does_not_read_is_cut_off(served: tuple[Endless, int]) -> None:
    app, port = served
    reader, writer = await connect(port)
    async with asyncio.timeout(10):
        await app.ended.wait()
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await reader.readexactly(1 << 30)
    assert app.responder.open_streams == 0
    writer.close()


async def test_who_goes_ends_the_stream(served: tuple[Endless, int]) -> None:
    app, port = served
    reader, writer = await connect(port)
    async with asyncio.timeout(10):
        assert (await reader.readline()) == b"HTTP/1.1 200 OK\r\n"
        writer.transport.abort()
        await app.ended.wait()
        while app.responder.open_streams:
            await asyncio.sleep(0)


async def test_draining_finishes_the_answer(served: tuple[Endless, int]) -> None:
    app, port = served
    reader, writer = await connect(port)
    async with asyncio.timeout(10):
        await reader.readline()
        app.responder.drain()
        last = b""
        while chunk := await reader.read(65536):
            last = (last + chunk)[-5:]
            if last == b"0\r\n\r\n":
                break
    assert last == b"0\r\n\r\n"
    writer.close()
