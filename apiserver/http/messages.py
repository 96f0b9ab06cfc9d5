"""A stream of bytes as WebSocket messages: logs for clients that can't read a plain answer (browsers).

Each piece is one message: binary as `binary.k8s.io` (or no protocol asked for), base64 text as
`base64.binary.k8s.io`. What the client says is not read, but pings are answered and its close is an end.

Source: wsstream's Reader of k8s.io/apimachinery.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast

from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.utils import accept_key

from apiserver.http.frames import GOING_AWAY, STOPPING
from apiserver.http.protocol import Connection
from wherry.api.errors import bad_request

BINARY, BASE64 = "binary.k8s.io", "base64.binary.k8s.io"
CHUNK_BYTES = 16 * 1024
MESSAGE_BYTES_MAX = 16 * 1024  # of what the client says
CLOSE_SECONDS_MAX = 2.0


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a WebSocket's handshake asks for, understood."""

    key: str
    protocol: str

    @classmethod
    def of(cls, headers: Mapping[bytes, bytes]) -> Handshake | None:
        """None when the request is none; ApiError 400 when it is broken or asks for what we do not know."""
        if headers.get(b"upgrade", b"").lower() != b"websocket":
            return None
        offered = headers.get(b"sec-websocket-protocol", b"").decode("latin-1")
        names = [name.strip() for name in offered.split(",") if name.strip()]
        protocol = next((name for name in (BINARY, BASE64) if name in names), "")
        if names and not protocol:
            raise bad_request(f"protocols known here are {BINARY}, {BASE64}")
        key = headers.get(b"sec-websocket-key", b"").decode("latin-1")
        if not key:
            raise bad_request("missing Sec-WebSocket-Key header")
        return cls(key, protocol)

    @property
    def head(self) -> bytes:
        lines = [
            "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept_key(self.key)}",
        ]  # fmt: skip
        if self.protocol:
            lines.append(f"Sec-WebSocket-Protocol: {self.protocol}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@dataclass(frozen=True, slots=True)
class Messages:
    """The answer to a handshake: `chunks` as messages, then the end."""

    handshake: Handshake
    chunks: AsyncIterator[bytes]
    status: int = 101

    async def run(self, connection: Connection) -> None:
        """Send until the stream ends or the client goes; then the connection is closed."""
        client = connection.take_over(self.handshake.head)
        assert connection.ending is not None, "it was taken over"
        socket = ServerProtocol(state=State.OPEN, max_size=MESSAGE_BYTES_MAX)
        try:
            async with asyncio.TaskGroup() as tasks:
                down = tasks.create_task(self._down(connection, socket))
                up = tasks.create_task(_up(client, connection, socket))
                ending = tasks.create_task(connection.ending.wait())
                await asyncio.wait((down, up, ending), return_when=asyncio.FIRST_COMPLETED)
                if ending.done() and not down.done():
                    down.cancel()
                    socket.send_close(GOING_AWAY, STOPPING)
                    await _flush(connection, socket)
                if down.done() or ending.done():  # the client answers our close
                    await asyncio.wait((up,), timeout=CLOSE_SECONDS_MAX)
                for task in (down, up, ending):
                    task.cancel()
        finally:
            connection.transport.close()

    async def _down(self, connection: Connection, socket: ServerProtocol) -> None:
        source = cast(
            "AsyncGenerator[bytes, None]", self.chunks
        )  # kubelets' answers are generators
        try:
            async with aclosing(source):
                async for chunk in source:
                    if self.handshake.protocol == BASE64:
                        socket.send_text(base64.b64encode(chunk))
                    else:
                        socket.send_binary(chunk)
                    await _flush(connection, socket)
            socket.send_close(1000)
        except (OSError, EOFError):
            socket.send_close(1011)  # the kubelet broke off
        await _flush(connection, socket)


async def _up(client: asyncio.StreamReader, connection: Connection, socket: ServerProtocol) -> None:
    while socket.state is State.OPEN or socket.close_expected():
        data = await client.read(CHUNK_BYTES)
        if not data:
            return
        socket.receive_data(data)
        socket.events_received()
        await _flush(connection, socket)
        if socket.close_rcvd is not None:
            return


async def _flush(connection: Connection, socket: ServerProtocol) -> None:
    for data in socket.data_to_send():
        if data:
            await connection.write(data)
