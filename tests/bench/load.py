"""A load generator: HTTP/1.1 over TLS on bare asyncio protocols, as thin as Python allows.

It shares two cores with the server and etcd, so what it costs falls upon the figures: no task, future or
copy for each request, bodies are counted and not kept, watches read into one shared buffer. It knows just
enough of HTTP for this: answers with Content-Length, or chunked ones.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

READ_BYTES = 256 * 1024


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
        return percentile(self.latencies, share) * 1000


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all is not above; 0 when there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Run:
    """Requests that several connections work off, and what it took."""

    def __init__(self, pending: Iterator[bytes], end: float, expect: int, workers: int) -> None:
        self.pending = pending
        self.end = end
        self.expect = expect
        self.figures = Figures()
        self.done = asyncio.get_running_loop().create_future()
        self._working = workers

    def worker_ended(self, error: Exception | None = None) -> None:
        self._working -= 1
        if self.done.done():
            return
        if error is not None:
            self.done.set_exception(error)
        elif not self._working:
            self.done.set_result(None)


class Connection(asyncio.Protocol):
    """One keep-alive connection: asks, and asks the next as soon as the answer is whole."""

    def __init__(self) -> None:
        self._run: Run | None = None
        self._asked = 0.0
        self._head = b""
        self._status = 0
        self._left = -1  # bytes of the body to come; -1: the head is not complete; -2: chunked
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._run is not None:
            self._run.worker_ended(exc or ConnectionResetError())

    def work(self, run: Run) -> None:
        self._run = run
        self._next(time.perf_counter())

    def _next(self, now: float) -> None:
        assert self._run is not None
        request = next(self._run.pending, None) if now < self._run.end else None
        if request is None:
            run, self._run = self._run, None
            run.worker_ended()
            return
        self._asked = now
        self._head, self._left, self._tail = b"", -1, b""
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._run is None:
            return
        if self._left == -1:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            self._read_head(self._head[:end])
            data = self._head[end + 4 :]
        self._run.figures.bytes += len(data)
        if self._left == -2:
            self._tail = (self._tail + data[-5:])[-5:]
            if self._tail == b"0\r\n\r\n":
                self._finish()
        else:
            self._left -= len(data)
            if not self._left:
                self._finish()

    def _read_head(self, head: bytes) -> None:
        self._status = int(head[9:12])
        head = head.lower()
        at = head.find(b"content-length: ")
        self._left = int(head[at + 16 :].split(b"\r\n", 1)[0]) if at >= 0 else -2

    def _finish(self) -> None:
        assert self._run is not None
        now = time.perf_counter()
        figures = self._run.figures
        figures.latencies.append(now - self._asked)
        figures.failures += self._status != self._run.expect
        self._next(now)


class LineCounter(asyncio.BufferedProtocol):
    """A watch: counts its lines, chunk by chunk. All watches read into one buffer, one after the other.

    stamps: when each line came, if somebody wants to know
    """

    _buffer = bytearray(READ_BYTES)

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._head: bytes | None = b""  # of the answer; None once it is complete
        self._size = b""  # of a chunk: its line as far as it has come
        self._left = 0  # bytes of the chunk to come
        self.lines = 0
        self.bytes = 0
        self.stamps: list[float] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._request)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.bytes += nbytes
        before, at = self.lines, 0
        if self._head is not None:
            self._head += self._buffer[:nbytes]
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            at = nbytes - (len(self._head) - end - 4)
            self._head = None
        while at < nbytes:
            at = self._in_chunk(at, nbytes) if self._left else self._between(at, nbytes)
        if self.stamps is not None and self.lines > before:
            self.stamps += [time.perf_counter()] * (self.lines - before)

    def _in_chunk(self, at: int, end: int) -> int:
        stop = min(end, at + self._left)
        self._left -= stop - at
        find = self._buffer.find  # by memchr, which `count` is not
        while (at := find(b"\n", at, stop) + 1) > 0:
            self.lines += 1
        return stop

    def _between(self, at: int, end: int) -> int:
        """Read the line that says how long the next chunk is, and the empty one before it."""
        stop = self._buffer.find(b"\n", at, end) + 1
        if not stop:
            self._size += self._buffer[at:end]
            return end
        size = (self._size + self._buffer[at:stop]).strip()
        self._size = b""
        if size:
            self._left = int(size, 16)
        return stop


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
        pending = iter(requests) if not callable(requests) else iter(requests, None)
        workers = [await self.connect() for _ in range(connections)]
        started = time.perf_counter()
        end = started + seconds if seconds else float("inf")
        run = Run(pending, end, expect, connections)
        for worker in workers:
            worker.work(run)
        try:
            await run.done
        finally:
            run.figures.seconds = time.perf_counter() - started
            for worker in workers:
                worker.transport.close()
        return run.figures
