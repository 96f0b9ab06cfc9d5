"""Streams and connections of our own uvicorn, in this process: slow, gone and idle clients."""

from __future__ import annotations

import asyncio
import gc
import json
import ssl
import weakref
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from apiserver.handlers.forms import ObjectShower
from apiserver.handlers.watches import WatchStream
from apiserver.http.exchange import Exchange
from apiserver.http.protocol import Connection
from apiserver.http.respond import Responder
from apiserver.http.server import HttpServer, listen
from apiserver.http.tls import ensure_self_signed, server_context
from apiserver.request import Response
from apiserver.storage.cache import WatchCache
from apiserver.storage.memory import MemoryStorage
from apiserver.storage.watchers import Interest, Watcher
from apiserver.storage.window import Cached, Event
from tests.integration.ending import gone
from wherry.api.scheme import BY_PLURAL

STALL_SECONDS = 2.0  # longer than a starved machine keeps a reader waiting


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
    async with asyncio.timeout(60):
        await app.ended.wait()
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await reader.readexactly(1 << 30)
    assert app.responder.open_streams == 0
    await gone(writer)


async def test_who_goes_ends_the_stream(served: tuple[Endless, int]) -> None:
    app, port = served
    reader, writer = await connect(port)
    async with asyncio.timeout(60):
        assert (await reader.readline()) == b"HTTP/1.1 200 OK\r\n"
        await gone(writer)
        await app.ended.wait()
        while app.responder.open_streams:
            await asyncio.sleep(0)


async def test_draining_finishes_the_answer(served: tuple[Endless, int]) -> None:
    app, port = served
    reader, writer = await connect(port)
    async with asyncio.timeout(60):
        await reader.readline()
        app.responder.drain()
        last = b""
        while chunk := await reader.read(65536):
            last = (last + chunk)[-5:]
            if last == b"0\r\n\r\n":
                break
    assert last == b"0\r\n\r\n"
    await gone(writer)


PODS = BY_PLURAL["", "v1", "pods"]
EVENTS, EVENT_BYTES = 2000, 8000  # far more than sockets and buffers of one connection hold


@dataclass
class Watched:
    """An application of which each answer is a watch of pods."""

    responder: Responder
    cache: WatchCache = field(default_factory=lambda: WatchCache(MemoryStorage(), [PODS]))
    met: Callable[[Connection], None] = lambda connection: None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        exchange = Exchange(scope, receive, dict(scope["headers"]))
        self.met(exchange.connection)
        watcher = Watcher(Interest(), ObjectShower(PODS))
        body = WatchStream(self.cache, PODS, watcher, 60.0)
        await self.responder.write(exchange, send, Response(body=body), [], True)

    def happen(self, number: int) -> None:
        item = b'{"metadata":{"resourceVersion":"%d","name":"%b"}}' % (number, b"x" * EVENT_BYTES)
        pod = Cached("ns", "a", item, number, {}, {})
        self.cache.watchers(PODS).dispatch(Event("MODIFIED", pod, None, number, 0.0))


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[tuple[Watched, int]]:
    responder = Responder(STALL_SECONDS)
    app = Watched(responder)
    sock = listen("127.0.0.1", 0)
    tls = server_context(*ensure_self_signed(tmp_path, ["127.0.0.1"]), [])
    server = HttpServer(app, responder, tls)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve([sock]))
        yield app, sock.getsockname()[1]
        server.should_exit = True


async def test_a_slow_watcher_is_cut_off_and_the_others_hear_everything_in_order(
    watched: tuple[Watched, int],
) -> None:
    app, port = watched
    reader, writer = await connect(port)
    _, silent = await connect(port)
    index = app.cache.watchers(PODS)
    async with asyncio.timeout(60):
        while len(index) < 2:
            await asyncio.sleep(0.01)
        reading = asyncio.ensure_future(revisions(reader, EVENTS))
        for number in range(EVENTS):
            app.happen(number)
            if number % 50 == 0:
                await asyncio.sleep(0.005)
        assert await reading == list(range(EVENTS))
        while len(index) > 1:
            await asyncio.sleep(0.01)
    await gone(writer)
    silent.transport.abort()


async def test_connections_that_are_gone_leave_nothing_behind(
    watched: tuple[Watched, int],
) -> None:
    app, port = watched
    gc.collect()
    gc.disable()
    try:
        known: list[weakref.ref[Any]] = []
        app.met = lambda connection: known.append(weakref.ref(connection))
        async with asyncio.timeout(60):
            for _ in range(3):
                _, writer = await connect(port)
                while not len(app.cache.watchers(PODS)):
                    await asyncio.sleep(0.01)
                app.happen(1)
                await gone(writer)
                while len(app.cache.watchers(PODS)):
                    await asyncio.sleep(0.01)
            while any(one() is not None for one in known):
                await asyncio.sleep(0.01)
        assert len(known) == 3
    finally:
        gc.enable()


async def revisions(reader: asyncio.StreamReader, count: int) -> list[int]:
    """The revisions that a watch's lines tell, chunk by chunk."""
    while await reader.readline() != b"\r\n":
        pass
    found: list[int] = []
    while len(found) < count:
        size = int(await reader.readline(), 16)
        chunk = await reader.readexactly(size)
        assert await reader.readexactly(2) == b"\r\n"
        lines = chunk.splitlines()
        assert chunk.endswith(b"\n"), "a chunk ends with a line"
        found += [int(json.loads(line)["object"]["metadata"]["resourceVersion"]) for line in lines]
    return found
