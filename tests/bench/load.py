"""A load generator: HTTP/1.1 over TLS on raw asyncio protocols, as thin as Python allows.

It knows just enough of HTTP for this server: answers with Content-Length or chunked ones. Bodies are
counted, not kept, unless asked for.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast


@dataclass
class Figures:
    """What a run of requests took."""

    seconds: float = 0.0
    bytes: int = 0
    latencies: list[float] = field(default_factory=list)
    failures: int = 0

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """Milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else 0.0


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, int]] | None = None
        self._head = b""
        self._status = 0
        self._left = -1  # bytes of the body to come; -1: the head is not complete; -2: chunked
        self._size = 0
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError())

    async def ask(self, request: bytes) -> tuple[int, int]:
        """The answer's status code and the size of its body."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._head, self._left, self._size, self._tail = b"", -1, 0, b""
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        if self._left == -1:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            head, data = self._head[:end].lower(), self._head[end + 4 :]
            self._status = int(head[9:12])
            at = head.find(b"content-length: ")
            self._left = int(head[at + 16 :].split(b"\r\n", 1)[0]) if at >= 0 else -2
        self._size += len(data)
        if self._left == -2:
            self._tail = (self._tail + data[-5:])[-5:]
            if self._tail == b"0\r\n\r\n":
                self._finish()
        else:
            self._left -= len(data)
            if not self._left:
                self._finish()

    def _finish(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((self._status, self._size))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class LineCounter(asyncio.Protocol):
    """A watch: counts events by their last two bytes."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._last = b""
        self.lines = 0
        self.bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)
        self.lines += data.count(b"}\n")
        if self._last == b"}" and data[:1] == b"\n":
            self.lines += 1
        self._last = data[-1:]


class Target:
    """A server to load."""

    def __init__(self, host: str, port: int, token: str) -> None:
        self.host, self.port, self._token = host, port, token
        self._tls = ssl.create_default_context()
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: Bearer {self._token}"
            f"\r\nAccept: application/json\r\nUser-Agent: bench/1\r\n"
        )
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"\r\n" + body

    async def connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            Connection, self.host, self.port, ssl=self._tls
        )
        return connection

    async def watch(self, path: str) -> LineCounter:
        loop = asyncio.get_running_loop()
        request = self.request("GET", path)
        _, counter = await loop.create_connection(
            lambda: LineCounter(request), self.host, self.port, ssl=self._tls
        )
        return counter

    async def run(
        self,
        connections: int,
        requests: Sequence[bytes] | Callable[[], bytes],
        *,
        seconds: float = 0.0,
        expect: int = 200,
    ) -> Figures:
        """All requests once, or (a function) requests for some seconds, over some connections."""
        figures = Figures()
        pending = iter(requests) if not callable(requests) else iter(requests, None)
        open_connections = [await self.connect() for _ in range(connections)]
        started = time.perf_counter()
        end = started + seconds if seconds else float("inf")

        async def work(connection: Connection) -> None:
            for request in pending:
                before = time.perf_counter()
                if before >= end:
                    return
                status, size = await connection.ask(request)
                figures.latencies.append(time.perf_counter() - before)
                figures.bytes += size
                figures.failures += status != expect

        async with asyncio.TaskGroup() as group:
            for connection in open_connections:
                group.create_task(work(connection))
        figures.seconds = time.perf_counter() - started
        for connection in open_connections:
            connection.close()
        return figures
