"""Clients that hold connections and say nothing, little, or too much: bounded, and said in the log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from apiserver.http.exchange import Exchange
from apiserver.http.limits import HEAD_BYTES_MAX, SLOW, TOO_LONG, TOO_MANY, Limits
from apiserver.http.respond import Responder
from apiserver.http.server import HttpServer, listen
from apiserver.http.tls import ensure_self_signed, server_context
from apiserver.request import Response
from tests.integration.conftest import ApiServer
from tests.integration.ending import gone

DEADLINE_SECONDS = 60.0
HEAD_SECONDS = 0.5
IDLE_MAX = 20
FILES = 11_000
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Served:
    port: int
    limits: Limits


@dataclass
class Hello:
    """Answers at once, whatever comes of the body."""

    responder: Responder

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        exchange = Exchange(scope, receive, dict(scope["headers"]))
        await self.responder.write(exchange, send, Response(body=b"hello"), [], False)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    responder = Responder()
    certificate, key = ensure_self_signed(tmp_path, ["127.0.0.1"])
    sock = listen("127.0.0.1", 0)
    limits = Limits(IDLE_MAX, HEAD_SECONDS)
    server = HttpServer(Hello(responder), responder, server_context(certificate, key, []), limits)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve([sock]))
        yield Served(sock.getsockname()[1], limits)
        server.should_exit = True


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return await asyncio.open_connection("127.0.0.1", port, ssl=context)


async def is_closed(reader: asyncio.StreamReader) -> bool:
    """Whether the server hangs up before the test's patience ends."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        with contextlib.suppress(OSError):
            while await reader.read(65536):
                pass
    return True


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx",
    ],
)
async def test_who_does_not_finish_is_cut_off(
    served: Served, said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    reader, writer = await connect(served.port)
    writer.write(said)
    assert await is_closed(reader)
    assert SLOW in caplog.text
    assert "127.0.0.1" in caplog.text
    await gone(writer)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"400 Bad Request: missing required Host header"),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
            b"400 Bad Request: too many Host headers",
        ),
        (b"NONSENSE\r\n\r\n", b"Invalid HTTP request received."),
        (b"GET / HTTP/1.0\r\n\r\n", b""),
    ],
)
async def test_a_request_names_one_host(served: Served, head: bytes, words: bytes) -> None:
    reader, writer = await connect(served.port)
    writer.write(head)
    async with asyncio.timeout(DEADLINE_SECONDS):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 400 " if words else b"HTTP/1.1 200 ")
    assert answer.endswith(words)
    await gone(writer)


async def test_a_head_that_trickles_is_cut_off(served: Served) -> None:
    """Each byte comes in time, the head does not; neither does a second request's."""
    for first in (b"", GET):
        reader, writer = await connect(served.port)
        writer.write(first)
        closing = asyncio.create_task(is_closed(reader))  # by an end or a reset
        while not closing.done():
            writer.write(b"GET / HTTP/1.1\r\nA: " if not first else b"GET /")
            first = b"x"
            await asyncio.wait((closing,), timeout=0.05)
        assert await closing
        await gone(writer)


async def test_an_endless_head_is_cut_off(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    served.limits.head_seconds_max = 60.0
    reader, writer = await connect(served.port)
    writer.write(b"GET / HTTP/1.1\r\n")
    with contextlib.suppress(OSError):
        for number in range(3 * HEAD_BYTES_MAX // 10_000):
            writer.write(b"X-%d: %s\r\n" % (number, b"x" * 10_000))
            await writer.drain()
    assert await is_closed(reader)
    assert TOO_LONG in caplog.text
    await gone(writer)


async def test_of_too_many_idle_ones_the_longest_idle_goes(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    served.limits.head_seconds_max = 60.0
    idle = [await connect(served.port) for _ in range(IDLE_MAX)]
    reader, writer = await connect(served.port)
    writer.write(GET)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    assert await is_closed(idle[0][0]), "the first that said nothing"
    assert not idle[-1][0].at_eof()
    assert served.limits.idle_count <= IDLE_MAX
    assert TOO_MANY in caplog.text
    for _, one in (*idle, (reader, writer)):
        await gone(one)


async def test_connections_at_work_are_not_counted(served: Served) -> None:
    served.limits.head_seconds_max = 60.0
    reader, writer = await connect(served.port)
    for _ in range(3):
        writer.write(GET)
        assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
        assert served.limits.idle_count == 1
    await gone(writer)
    async with asyncio.timeout(DEADLINE_SECONDS):
        while served.limits.idle_count:
            await asyncio.sleep(0.01)


async def test_ten_thousand_silent_connections(
    make_apiserver: Callable[..., ApiServer],
) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < FILES:
        pytest.skip(f"this process may open {hard} files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = make_apiserver()
    silent: list[socket.socket] = []
    try:
        for _ in range(10_000):
            one = socket.socket()
            one.settimeout(60)
            silent.append(one)
            one.connect(("127.0.0.1", server.port))
        async with server.client() as client:
            for _ in range(5):
                answer = await client.get("/api/v1/namespaces/default", timeout=60)
                assert answer.status_code == 200
            # A handshake that never comes has a deadline: the server hangs up.
            silent[0].settimeout(60)
            with contextlib.suppress(ConnectionError):
                assert await asyncio.to_thread(silent[0].recv, 1) == b""
            assert (await client.get("/readyz")).status_code == 200
    finally:
        for one in silent:
            one.close()
    assert server.process is not None
    assert server.process.poll() is None
