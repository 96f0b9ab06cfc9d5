"""A client's connection joined to a kubelet's: bytes both ways until either side ends.

Used for exec and its kind after the kubelet has answered 101. Nothing is parsed: whatever protocol
the two agreed on (WebSocket channels today) passes through.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from apiserver.http.protocol import Connection

CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Tunnel:
    """`head` is the kubelet's whole answer head; it goes to the client as it came."""

    head: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int = 101

    async def run(self, connection: Connection) -> None:
        """Copy until one side ends; then both connections are closed."""
        client = connection.take_over(self.head)
        try:
            async with asyncio.TaskGroup() as pumps:
                down = pumps.create_task(self._down(connection))
                up = pumps.create_task(self._up(client))
                await asyncio.wait((down, up), return_when=asyncio.FIRST_COMPLETED)
                down.cancel()
                up.cancel()
        finally:
            self.writer.close()
            connection.transport.close()

    async def _down(self, connection: Connection) -> None:
        try:
            while chunk := await self.reader.read(CHUNK_BYTES):
                await connection.write(chunk)
        except OSError:
            return  # the kubelet's side broke: the same as its end

    async def _up(self, client: asyncio.StreamReader) -> None:
        try:
            while chunk := await client.read(CHUNK_BYTES):
                self.writer.write(chunk)
                await self.writer.drain()
        except OSError:
            return
