"""One HTTP/1.1 connection as an asyncio protocol around httptools' parser.

Sends one request at a time and hands out its answer, whole or piece by piece; a piecewise reader
that is slow stops the reading from the socket, not our memory. Who connects and when is the pool's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple, cast

import httptools

STREAM_BUFFER_MAX = 1 << 20  # unread bytes of a stream before we stop reading from the socket


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
