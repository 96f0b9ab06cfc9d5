"""A client's connection joined to a kubelet's: bytes both ways until either side ends.

Used for exec and its kind after the kubelet has answered 101. Nothing is parsed: whatever protocol
the two agreed on (WebSocket channels today) passes through. When this server stops, a WebSocket's client
is told so by a close frame, put in where a frame of the kubelet's ends.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from apiserver.http.frames import GOING_AWAY, STOPPING, FrameCounter, close_frame
from apiserver.http.protocol import Connection

CHUNK_BYTES = 64 * 1024
LEAVE_SECONDS_MAX = 1.0
_WEBSOCKET = re.compile(rb"\r\nupgrade:\s*websocket\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Tunnel:
    """`head` is the kubelet's whole answer head; it goes to the client as it came."""

    head: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int = 101

    async def run(self, connection: Connection) -> None:
        """Copy until one side ends or the server stops; then both connections are closed."""
        client = connection.take_over(self.head)
        assert connection.ending is not None, "it was taken over"
        frames = FrameCounter() if _WEBSOCKET.search(self.head) else None
        try:
            async with asyncio.TaskGroup() as pumps:
                down = pumps.create_task(self._down(connection, frames))
                up = pumps.create_task(self._up(client))
                ending = pumps.create_task(connection.ending.wait())
                tasks = (down, up, ending)
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                leaves = ending.done() and not (down.done() or up.done())
                for task in tasks:
                    task.cancel()
            if leaves and frames is not None:
                await self._take_leave(connection, frames)
        finally:
            self.writer.close()
            connection.transport.close()

    async def _down(self, connection: Connection, frames: FrameCounter | None) -> None:
        try:
            while chunk := await self.reader.read(CHUNK_BYTES):
                if frames is not None:
                    frames.feed(chunk)
                await connection.write(chunk)
        except OSError:
            return  # the kubelet's side broke: the same as its end

    async def _take_leave(self, connection: Connection, frames: FrameCounter) -> None:
        """Pass on the rest of the frame that has begun, then say that this is the end."""
        try:
            async with asyncio.timeout(LEAVE_SECONDS_MAX):
                while frames.missing:
                    chunk = await self.reader.read(frames.missing)
                    if not chunk:
                        return
                    frames.feed(chunk)
                    await connection.write(chunk)
                await connection.write(close_frame(GOING_AWAY, STOPPING))
        except (OSError, TimeoutError):
            return  # either side hangs: it is cut off

    async def _up(self, client: asyncio.StreamReader) -> None:
        try:
            while chunk := await client.read(CHUNK_BYTES):
                self.writer.write(chunk)
                await self.writer.drain()
        except OSError:
            return
