"""Writing answers: headers, warnings, compression when asked for, and streams that end well.

A stream ends in one of four ways: its body is exhausted; the client goes (the connection cancels the
task); the client stops reading (cut off after a while); the server drains (the answer is finished
properly, so that the client resumes elsewhere).
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Protocol, runtime_checkable

import orjson

from apiserver.http.exchange import Exchange, Send
from apiserver.http.protocol import Block
from apiserver.http.relay import Relay
from apiserver.request import Response
from wherry.api.errors import ApiError

log = logging.getLogger(__name__)

# Upstream's threshold: below this, compressing costs more time than it saves.
GZIP_BYTES_MIN = 128 * 1024
GZIP_LEVEL = 1
# How long a client may leave a full buffer unread before it is cut off.
WRITE_STALL_SECONDS_MAX = 30.0

# What reading somebody else's answer may end in: cut off, not HTTP, not gzip.
BROKEN_OFF = (OSError, EOFError, ValueError, asyncio.LimitOverrunError, zlib.error)

_CACHE_CONTROL = (b"cache-control", b"no-cache, private")
_JSON = (b"content-type", b"application/json")
_CHUNKED = (b"transfer-encoding", b"chunked")
_GZIP = ((b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding"))

Headers = list[tuple[bytes, bytes]]


@runtime_checkable
class Pushing(Protocol):
    """A stream that can hand blocks straight to the connection while its iterator is waited for."""

    def write_by(self, write: Callable[[Block], bool]) -> None: ...


def error_response(error: ApiError) -> Response:
    """A refusal as the answer it is."""
    headers = {}
    if error.retry_after_seconds:
        headers["Retry-After"] = str(error.retry_after_seconds)
    body = orjson.dumps(error.status, option=orjson.OPT_APPEND_NEWLINE)
    return Response(error.code or 500, body, headers=headers)


def warning_header(text: str) -> bytes:
    """A `Warning` header's value, quoted as RFC 7234 has it; control characters become spaces."""
    clean = "".join(char if char.isprintable() else " " for char in text)
    escaped = clean.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{escaped}"'.encode("latin-1", "replace")


def head_of(response: Response, audit_id: bytes, warnings: list[str]) -> Headers:
    """All headers but those of length and encoding."""
    content_type = response.content_type
    headers: Headers = [
        (b"audit-id", audit_id),
        _CACHE_CONTROL,
        _JSON
        if content_type == "application/json"
        else (b"content-type", content_type.encode("latin-1")),
    ]
    for name, value in response.headers.items():
        headers.append((name.lower().encode("latin-1"), value.encode("latin-1")))
    for text in warnings:
        headers.append((b"warning", warning_header(text)))
    return headers


class Responder:
    """Writes answers, and knows the streams that are open so that `drain` can end them."""

    def __init__(self, stall_seconds_max: float = WRITE_STALL_SECONDS_MAX) -> None:
        self._stall_seconds_max = stall_seconds_max
        self._streams: set[asyncio.Task[Any]] = set()
        self._draining = False

    @property
    def open_streams(self) -> int:
        return len(self._streams)

    def drain(self) -> None:
        """End all streams properly, now and from now on: the server stops."""
        self._draining = True
        for task in self._streams:
            task.cancel()

    async def write(
        self, exchange: Exchange, send: Send, response: Response, headers: Headers, live: bool
    ) -> None:
        """Write the answer. `live` streams (watches, followed logs) are flushed as they come."""
        body = response.body
        gzip = not live and b"gzip" in exchange.headers.get(b"accept-encoding", b"")
        if isinstance(body, bytes):
            if gzip and len(body) >= GZIP_BYTES_MIN:
                headers += _GZIP
                body = await asyncio.to_thread(_gzip_whole, body)
            headers.append((b"content-length", b"%d" % len(body)))
            if exchange.connection.respond(exchange.scope, response.status, headers, body):
                return
            start = {"type": "http.response.start", "status": response.status, "headers": headers}
            await send(start)
            await send({"type": "http.response.body", "body": body})
            return
        chunks = body
        if gzip:
            chunks, compressed = await _maybe_gzip(chunks)
            if compressed:
                headers += _GZIP
        headers.append(_CHUNKED)
        await self._stream(exchange, send, response.status, headers, chunks, live)

    async def relay(self, exchange: Exchange, send: Send, relay: Relay, audit_id: bytes) -> None:
        """Write somebody else's answer; when it breaks off, so does ours."""
        fields = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in relay.headers]
        headers = [(b"audit-id", audit_id), *fields]
        try:
            await self._stream(exchange, send, relay.status, headers, relay.chunks, live=True)
        except BROKEN_OFF as error:
            log.info("a relayed answer broke off: %s", error)
            exchange.connection.abort()

    async def _stream(
        self,
        exchange: Exchange,
        send: Send,
        status: int,
        headers: Headers,
        chunks: AsyncIterator[bytes],
        live: bool,
    ) -> None:
        task = asyncio.current_task()
        assert task is not None, "an answer is written by its request's task"
        connection = exchange.connection
        connection.streaming = task
        self._streams.add(task)
        try:
            async with aclosing(chunks):  # type: ignore[type-var]  # handlers give generators
                await send({"type": "http.response.start", "status": status, "headers": headers})
                if self._draining:
                    task.cancel()
                if isinstance(chunks, Pushing):
                    connection.expect_blocks()
                    chunks.write_by(connection.write_block)
                async for chunk in chunks:
                    if not chunk:
                        continue
                    message = {"type": "http.response.body", "body": chunk, "more_body": True}
                    if connection.flow.write_paused:
                        async with asyncio.timeout(self._stall_seconds_max):
                            await send(message)
                    else:
                        await send(message)
                        if not live:
                            await asyncio.sleep(0)  # a big list must not hold the loop
            await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            log.info("cut off a client that did not read for %gs", self._stall_seconds_max)
            connection.abort()
        except asyncio.CancelledError:
            if connection.transport.is_closing():
                return  # the client went; nobody waits for an end
            if not self._draining:
                raise
            task.uncancel()
            await send({"type": "http.response.body", "body": b""})
        finally:
            connection.stream_ended()
            self._streams.discard(task)


def _gzip_whole(body: bytes) -> bytes:
    packer = zlib.compressobj(GZIP_LEVEL, wbits=zlib.MAX_WBITS | 16)
    return packer.compress(body) + packer.flush()


async def _maybe_gzip(chunks: AsyncIterator[bytes]) -> tuple[AsyncIterator[bytes], bool]:
    """The chunks, compressed when there are enough of them; and whether they are."""
    head: list[bytes] = []
    size = 0
    async for chunk in chunks:
        head.append(chunk)
        size += len(chunk)
        if size >= GZIP_BYTES_MIN:
            return _gzip(b"".join(head), chunks), True
    return _only(b"".join(head)), False


async def _only(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _gzip(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    packer = zlib.compressobj(GZIP_LEVEL, wbits=zlib.MAX_WBITS | 16)
    yield await asyncio.to_thread(packer.compress, head)
    async for chunk in rest:
        yield await asyncio.to_thread(packer.compress, chunk)
    yield packer.flush()
