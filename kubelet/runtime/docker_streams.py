"""Docker's stream framing, and a process's streams over a hijacked connection.

Without a terminal Docker writes frames of an 8-byte head (channel, 3 zeros, big-endian length) and
the payload; with one, plain bytes. `Demultiplexer` is pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

from kubelet.runtime.engine_http import PIECE_BYTES_MAX, Response
from kubelet.runtime.protocol import STDOUT

_HEAD = 8


class Demultiplexer:
    """Feed bytes as they come, get the (channel, payload) pieces that they complete or continue."""

    def __init__(self, *, tty: bool) -> None:
        self._tty = tty
        self._head = b""
        self._channel = STDOUT
        self._left = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        if self._tty:
            return [(STDOUT, data)] if data else []
        found = []
        while data:
            if not self._left:
                self._head, data = (
                    self._head + data[: _HEAD - len(self._head)],
                    data[_HEAD - len(self._head) :],
                )
                if len(self._head) < _HEAD:
                    break
                self._channel = self._head[0]
                self._left = int.from_bytes(self._head[4:], "big")
                self._head = b""
                continue
            piece, data = data[: self._left], data[self._left :]
            self._left -= len(piece)
            found.append((self._channel, piece))
        return found


class DockerStream:
    """`protocol.Stream` on a hijacked exec or attach connection."""

    def __init__(
        self,
        response: Response,
        *,
        tty: bool,
        exit_code: Callable[[], Awaitable[int]],
        resize: Callable[[int, int], Awaitable[None]],
    ) -> None:
        self._response = response
        self._frames = Demultiplexer(tty=tty)
        self._ready: deque[tuple[int, bytes]] = deque()
        self._exit_code = exit_code
        self._resize = resize

    async def read(self) -> tuple[int, bytes] | None:
        while not self._ready:
            try:
                data = await self._response.reader.read(PIECE_BYTES_MAX)
            except ConnectionError:
                return None
            if not data:
                return None
            self._ready.extend(self._frames.feed(data))
        return self._ready.popleft()

    async def write(self, data: bytes) -> None:
        self._response.writer.write(data)
        # A process that ended does not read; that is no error of the writer's.
        with suppress(ConnectionError):
            await self._response.writer.drain()

    async def close_stdin(self) -> None:
        with suppress(OSError, RuntimeError):
            self._response.writer.write_eof()

    async def resize(self, width: int, height: int) -> None:
        await self._resize(width, height)

    async def exit_code(self) -> int:
        return await self._exit_code()

    async def close(self) -> None:
        await self._response.close()


async def read_bounded(stream: DockerStream, output: bytearray, limit: int) -> None:
    """Put all output of both channels into `output`, cut at `limit` bytes; the rest is dropped."""
    while (piece := await stream.read()) is not None:
        output += piece[1][: max(0, limit - len(output))]
