"""One HTTP/1.1 request to somebody behind this server, its answer's head read, its body left to stream.

Plain asyncio: logs, streams and proxied bodies are bytes that are passed on unread, so a client
library would only cost memory. One connection a request; not for anything that needs a pool.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

HEAD_SECONDS_MAX = 30.0
HEAD_BYTES_MAX = 64 * 1024
CHUNK_BYTES = 64 * 1024
TEXT_BYTES_MAX = 16 * 1024
INTERIM_MAX = 10  # answers such as 100 Continue before the real one
SWITCHING_PROTOCOLS = 101

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Headers = Sequence[tuple[str, str]]


class BrokenAnswer(Exception):
    """What came back is no whole HTTP answer, or none came in time."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request. `target` is path and query; `body` comes as it is read, its length in the headers."""

    method: str
    target: str
    headers: Headers
    body: AsyncIterator[bytes] | None = None
    head_seconds_max: float = HEAD_SECONDS_MAX


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: its head as it came, and the connection its body comes from.

    headers: names in lower case, the last of each; `fields` has all in order
    """

    status: int
    head: bytes
    fields: Headers
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    bodiless: bool = False
    sending: asyncio.Task[None] | None = None  # of the request's body; it may outlast the head
    headers: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", dict(self.fields))

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body; the connection is closed when it ends or is not wanted any more."""
        try:
            if self.bodiless:
                return
            if self.headers.get("transfer-encoding", "").lower() == "chunked":
                async for chunk in _chunked(self.reader):
                    yield chunk
            elif "content-length" in self.headers:
                async for chunk in _sized(self.reader, int(self.headers["content-length"])):
                    yield chunk
            else:
                while chunk := await self.reader.read(CHUNK_BYTES):
                    yield chunk
        finally:
            self.close()

    async def text(self) -> str:
        """The body as text, as far as an error message needs it."""
        found = b""
        with suppress(TimeoutError, OSError, EOFError):
            async with asyncio.timeout(HEAD_SECONDS_MAX):
                async for chunk in self.chunks():
                    found += chunk
                    if len(found) >= TEXT_BYTES_MAX:
                        break
        return found[:TEXT_BYTES_MAX].decode("utf-8", "replace").rstrip("\n")

    def close(self) -> None:
        if self.sending is not None:
            self.sending.cancel()
        self.writer.close()


async def _sized(reader: asyncio.StreamReader, left: int) -> AsyncIterator[bytes]:
    while left:
        chunk = await reader.read(min(left, CHUNK_BYTES))
        if not chunk:
            raise ConnectionResetError("the answer ended before its length")
        left -= len(chunk)
        yield chunk


async def _chunked(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        size = int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16)
        if not size:
            return
        while size:
            chunk = await reader.read(min(size, CHUNK_BYTES))
            if not chunk:
                raise ConnectionResetError("the answer ended inside a chunk")
            size -= len(chunk)
            yield chunk
        await reader.readexactly(2)


def parse_head(head: bytes) -> tuple[int, list[tuple[str, str]]]:
    """Status and headers (names in lower case) of an answer's head; ValueError when it is none."""
    first, *lines = head.decode("latin-1").split("\r\n")
    version, status, *_ = first.split(" ", 2)
    if not version.startswith("HTTP/1."):
        raise ValueError(f"not an HTTP/1 answer: {first!r}")
    fields = []
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            fields.append((name.strip().lower(), value.strip()))
    return int(status), fields


async def exchange(streams: Streams, ask: Ask) -> Answer:
    """Send the request, read the answer's head. BrokenAnswer; the connection is closed then.

    A body is sent while the answer is awaited and read: servers may answer before they have read it.
    """
    reader, writer = streams
    lines = [f"{ask.method} {ask.target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in ask.headers]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    sending = asyncio.create_task(_send(writer, ask)) if ask.body is not None else None
    try:
        async with asyncio.timeout(ask.head_seconds_max):
            status, head, fields = await _head(reader)
    except BaseException as error:
        writer.close()
        if sending is not None:
            sending.cancel()
        if isinstance(error, OSError | EOFError | ValueError | asyncio.LimitOverrunError):
            raise BrokenAnswer(_why(error)) from error
        raise
    bodiless = ask.method == "HEAD" or status in (204, 304)
    return Answer(status, head, fields, reader, writer, bodiless, sending)


def _why(error: BaseException) -> str:
    if isinstance(error, EOFError):
        return "EOF"
    return "no answer in time" if isinstance(error, TimeoutError) else str(error)


async def _head(reader: asyncio.StreamReader) -> tuple[int, bytes, list[tuple[str, str]]]:
    for _ in range(INTERIM_MAX):
        head = await reader.readuntil(b"\r\n\r\n")
        status, fields = parse_head(head)
        if status >= 200 or status == SWITCHING_PROTOCOLS:
            return status, head, fields
    raise ValueError("too many interim answers")


async def _send(writer: asyncio.StreamWriter, ask: Ask) -> None:
    """The body, in chunks when its length is not known. Whoever stops reading has said enough."""
    assert ask.body is not None, "called for a body"
    chunked = any(name == "transfer-encoding" for name, _ in ask.headers)
    with suppress(OSError):
        async for data in ask.body:
            writer.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
            await writer.drain()
        if chunked:
            writer.write(b"0\r\n\r\n")
            await writer.drain()
