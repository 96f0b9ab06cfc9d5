"""One forwarded connection: a client's channel on one side, a port in the pod on the other.

Many flows share a client's connection, so what a slow pod has not taken yet waits here, bounded; a
flow that stays full for too long is given up, for it holds back all others.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

PIECES_MAX = 64
PIECE_BYTES_MAX = 64 * 1024
STALL_SECONDS_MAX = 30.0

Dial = Callable[[int], Awaitable[socket.socket]]
Send = Callable[[bytes], Awaitable[None]]


class Stalled(Exception):
    """The pod takes nothing any more."""


class Flow:
    """`put` is the client's side; `run` carries bytes until it is over."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(PIECES_MAX)
        self._is_over = False  # nothing is taken any more

    async def put(self, data: bytes) -> None:
        """Bytes for the pod; empty when the client sends no more. Stalled when it takes none."""
        if self._is_over:
            return
        try:
            async with asyncio.timeout(STALL_SECONDS_MAX):
                await self._waiting.put(data)
        except TimeoutError:
            raise Stalled from None

    async def run(self, pod: socket.socket, send: Send, *, half_close: bool) -> None:
        """Carry bytes both ways, and close the socket. `send` gets b"" when the pod sends no more.

        half_close: the client can still send then, and says itself when it is done.
        """
        up = asyncio.create_task(self._up(pod))
        try:
            await _down(pod, send)
            if half_close:
                await up
        finally:
            up.cancel()
            await asyncio.gather(up, return_exceptions=True)
            pod.close()

    async def _up(self, pod: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            with suppress(OSError):  # the pod closed its end: what is left has no reader
                while data := await self._waiting.get():
                    await loop.sock_sendall(pod, data)
                pod.shutdown(socket.SHUT_WR)
        finally:
            self._is_over = True
            while not self._waiting.empty():  # whoever waits in `put` goes on
                self._waiting.get_nowait()


async def _down(pod: socket.socket, send: Send) -> None:
    """Read the socket itself: a stream reader drops what it holds when the pod cuts off (RST)."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            data = await loop.sock_recv(pod, PIECE_BYTES_MAX)
        except OSError:
            data = b""  # for the client, an end like any other
        await send(data)
        if not data:
            return
