"""HTTP/1.1 over a small pool of asyncio connections: the wire under `Client`.

Why not httpx: on a 2-core machine 32 concurrent POSTs through httpx cost 2.6 ms of CPU each
(380/s), through this 24 µs (36,000/s); the scheduler has to bind 1,500 pods/s. This does what an
API client needs and no more: keepalive, httptools' parser, one TLS context, TCP keepalive and
TCP_USER_TIMEOUT, streamed bodies with back-pressure. No redirects, proxies, cookies, compression.

Requests share at most `CONNECTIONS_MAX` connections; streams have their own, for they last.
A request is sent again by itself only when it is a read that met a connection which the server
had just closed; anything else is the caller's to repeat, for only it knows whether that is safe.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol
from urllib.parse import urlsplit

from wherry.client.connection import (
    ApiUnavailable,
    Connection,
    Response,
    Stale,
    StreamResponse,
)

__all__ = ["ApiUnavailable", "Pool", "Response", "StreamResponse"]

CONNECTIONS_MAX = 64
IDLE_SECONDS_MAX = 60.0  # below the server's 120 s, so that it never closes under a request
CONNECT_SECONDS_MAX = 10.0
USER_TIMEOUT_MS = 10_000
KEEPALIVE_SECONDS = 10
KEEPALIVE_PROBES = 3
SAFE_METHODS = frozenset({"GET", "HEAD"})


class Tls(Protocol):
    """Where the TLS context comes from; `generation` grows when there is a new one."""

    @property
    def generation(self) -> int: ...

    def current(self) -> ssl.SSLContext | None: ...


class Pool:
    """Connections to one server.

    When certificates change, requests from then on go over new connections. Streams keep theirs to
    their end, which watches come to within minutes.
    """

    def __init__(self, server: str, tls: Tls, *, server_name: str = "") -> None:
        parts = urlsplit(server)
        self._tls = tls
        self._generation = tls.generation
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._server_name = server_name or self._host
        self.authority = parts.netloc.rpartition("@")[2]
        self.prefix = parts.path.rstrip("/")
        self._idle: list[Connection] = []
        self._streams: set[Connection] = set()
        self._busy: set[Connection] = set()
        self._free = CONNECTIONS_MAX
        self._waiters: deque[asyncio.Future[None]] = deque()

    async def request(self, method: str, head: bytes, body: bytes, timeout: float) -> Response:
        """One request and its whole answer, within `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    await self._enter()
                    try:
                        return await self._exchange(head, body)
                    except Stale:
                        if method not in SAFE_METHODS:
                            raise
                    finally:
                        self._leave()
        except TimeoutError:
            raise ApiUnavailable(f"no answer from {self.authority} in {timeout:g} s") from None

    @asynccontextmanager
    async def stream(
        self, head: bytes, body: bytes, timeout: float
    ) -> AsyncIterator[StreamResponse]:
        """A request whose answer is read as it comes; `timeout` is for its head only."""
        connection: Connection | None = None
        try:
            try:
                async with asyncio.timeout(timeout):
                    connection = await self._connect()
                    self._streams.add(connection)
                    response = await connection.open_stream(head, body)
            except TimeoutError:
                raise ApiUnavailable(f"no answer from {self.authority} in {timeout:g} s") from None
            yield response
        finally:
            if connection is not None:
                connection.close()
                self._streams.discard(connection)

    def close(self) -> None:
        for connection in (*self._idle, *self._busy, *self._streams):
            connection.close()
        self._idle.clear()

    async def _exchange(self, head: bytes, body: bytes) -> Response:
        connection = self._reuse() or await self._connect()
        generation = self._generation
        self._busy.add(connection)
        try:
            response = await connection.request(head, body)
        except BaseException:
            connection.close()
            raise
        finally:
            self._busy.discard(connection)
        if generation != self._generation:
            connection.close()
        if not connection.closed:
            self._idle.append(connection)
        return response

    def _context(self) -> ssl.SSLContext | None:
        """The newest context; idle connections that were made with an older one are closed."""
        context = self._tls.current()
        if self._tls.generation != self._generation:
            self._generation = self._tls.generation
            for connection in self._idle:
                connection.close()
            self._idle.clear()
        return context

    def _reuse(self) -> Connection | None:
        """The connection used last that is still good; the old ones are closed on the way."""
        self._context()
        oldest = time.monotonic() - IDLE_SECONDS_MAX
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        context = self._context()
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                transport, connection = await loop.create_connection(
                    Connection, self._host, self._port,
                    ssl=context, server_hostname=self._server_name if context else None,
                )  # fmt: skip
        except TimeoutError:
            raise ApiUnavailable(f"cannot connect to {self.authority}: timed out") from None
        except OSError as error:
            raise ApiUnavailable(f"cannot connect to {self.authority}: {error}") from error
        _watch_over(transport.get_extra_info("socket"))
        return connection

    async def _enter(self) -> None:
        """Take one of the `CONNECTIONS_MAX` places, in order of arrival."""
        if self._free > 0:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiters.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()  # the place was ours already: pass it on
            raise

    def _leave(self) -> None:
        while self._waiters:
            turn = self._waiters.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


def _watch_over(sock: socket.socket | None) -> None:
    """Let the kernel notice a peer that vanished without a word."""
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
