"""HTTP/1.1 over a small pool of asyncio connections: the wire under `Client`.

Why not httpx: on a 2-core machine 32 concurrent POSTs through httpx cost 2.6 ms of CPU each
(380/s), through this 24 µs (36,000/s); the scheduler has to bind 1,500 pods/s. This does what an API client needs and no
more: keepalive, httptools' parser, one TLS context, TCP keepalive and TCP_USER_TIMEOUT, streamed
bodies with back-pressure. No redirects, proxies, cookies or compression.

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
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httptools

CONNECTIONS_MAX = 64
IDLE_SECONDS_MAX = 60.0  # below the server's 120 s, so that it never closes under a request
CONNECT_SECONDS_MAX = 10.0
STREAM_BUFFER_MAX = 1 << 20  # unread bytes of a stream before we stop reading from the socket
USER_TIMEOUT_MS = 10_000
KEEPALIVE_SECONDS = 10
KEEPALIVE_PROBES = 3
SAFE_METHODS = frozenset({"GET", "HEAD"})


class ApiUnavailable(OSError):
    """No answer: refused, reset, timed out or not HTTP. The request may or may not have happened."""


class Stale(ApiUnavailable):
    """A kept connection was closed before a byte of the answer came."""


class Response(NamedTuple):
    """A whole answer. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class StreamResponse:
    """An answer whose body is read as it arrives."""

    def __init__(self, status: int, headers: Mapping[str, str], connection: Connection) -> None:
        self.status = status
        self.headers = headers
        self._connection = connection

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body's pieces; ends when the server ends it, raises ApiUnavailable when it breaks."""
        while True:
            piece = await self._connection.read()
            if not piece:
                return
            yield piece

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self.chunks()])


class Connection(asyncio.Protocol):
    """One connection: sends a request, parses its answer. Never two requests at once."""

    def __init__(self) -> None:
        self.closed = False
        self.idle_since = 0.0
        self.used = False
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._buffered = 0
        self._paused = False
        self._complete = False
        self._keep = False
        self._error: ApiUnavailable | None = None
        self._wants_head = False
        self._head_done = False
        self._waiter: asyncio.Future[None] | None = None

    # -- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            self._fail(ApiUnavailable("the server spoke before it was asked"))
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(ApiUnavailable("the server switched protocols"))
        except httptools.HttpParserError as error:
            self._fail(ApiUnavailable(f"the server does not speak HTTP: {error}"))

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if exc is None and self._head_done and self._ends_with_connection():
            self._complete = True
            self._wake()
        if self._parser is not None and not self._complete:
            why = f": {exc}" if exc else ""
            first = self.used and not self._headers
            kind = Stale if first else ApiUnavailable
            self._fail(kind(f"connection lost{why}"))

    # -- called by httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._head_done = True
        if self._wants_head:
            self._wake()

    def on_body(self, body: bytes) -> None:
        self._body.append(body)
        self._buffered += len(body)
        if self._wants_head:
            self._wake()
            if self._buffered > STREAM_BUFFER_MAX and not self._paused and self._transport:
                self._paused = True
                self._transport.pause_reading()

    def on_message_complete(self) -> None:
        assert self._parser is not None
        if self._parser.get_status_code() >= 200:
            self._complete = True
            # Asked here, for the parser forgets the message's flags right after.
            self._keep = self._parser.should_keep_alive()
            self._wake()

    # -- called by the pool

    async def request(self, head: bytes, body: bytes) -> Response:
        """Send and read the whole answer."""
        self._send(head, body, wants_head=False)
        while not self._complete:
            await self._wait()
        assert self._parser is not None
        pieces = self._body
        whole = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        response = Response(self._parser.get_status_code(), self._headers, whole)
        if self._keep:
            self._parser = None
            self.used = True
            self.idle_since = time.monotonic()
        else:
            self.close()
        return response

    async def open_stream(self, head: bytes, body: bytes) -> StreamResponse:
        """Send and wait for the answer's head."""
        self._send(head, body, wants_head=True)
        assert self._parser is not None
        while not self._head_done:
            await self._wait()
        return StreamResponse(self._parser.get_status_code(), self._headers, self)

    async def read(self) -> bytes:
        """The bytes that came since the last read; empty at the end of the body."""
        while not self._body and not self._complete:
            await self._wait()
        whole = b"".join(self._body)
        self._body.clear()
        self._buffered = 0
        if self._paused and self._transport:
            self._paused = False
            self._transport.resume_reading()
        return whole

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    # -- inside

    def _send(self, head: bytes, body: bytes, *, wants_head: bool) -> None:
        if self.closed or self._transport is None:
            raise Stale("connection lost")
        self._parser = httptools.HttpResponseParser(self)
        self._headers = {}
        self._body = []
        self._buffered = 0
        self._complete = False
        self._keep = False
        self._head_done = False
        self._wants_head = wants_head
        self._transport.write(head + body)

    def _ends_with_connection(self) -> bool:
        return "content-length" not in self._headers and "transfer-encoding" not in self._headers

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._error is not None and not self._complete:
            raise self._error

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: ApiUnavailable) -> None:
        self._error = error
        self.close()
        self._wake()


class Pool:
    """Connections to one server."""

    def __init__(
        self, server: str, context: ssl.SSLContext | None, *, server_name: str = ""
    ) -> None:
        parts = urlsplit(server)
        self._tls = context if parts.scheme == "https" else None
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
        self._busy.add(connection)
        try:
            response = await connection.request(head, body)
        except BaseException:
            connection.close()
            raise
        finally:
            self._busy.discard(connection)
        if not connection.closed:
            self._idle.append(connection)
        return response

    def _reuse(self) -> Connection | None:
        """The connection used last that is still good; the old ones are closed on the way."""
        oldest = time.monotonic() - IDLE_SECONDS_MAX
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                transport, connection = await loop.create_connection(
                    Connection, self._host, self._port,
                    ssl=self._tls, server_hostname=self._server_name if self._tls else None,
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
