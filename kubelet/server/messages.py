"""A WebSocket's messages as bytes; "the client has gone" told in one way."""

from __future__ import annotations

from collections.abc import Awaitable

from starlette.websockets import WebSocket, WebSocketDisconnect


class ClientGone(Exception):
    """Nobody is there to send to."""


async def receive(socket: WebSocket) -> bytes | None:
    """The next message; None when the client has gone."""
    try:
        message = await socket.receive()
    except (RuntimeError, WebSocketDisconnect):
        return None
    if message["type"] == "websocket.disconnect":
        return None
    return message.get("bytes") or (message.get("text") or "").encode()


async def send(socket: WebSocket, data: bytes) -> None:
    """Send a message; waits while the client is slow. ClientGone when it is not there."""
    await _send(socket.send_bytes(data))


async def send_text(socket: WebSocket, text: str) -> None:
    """`send`, as a text message."""
    await _send(socket.send_text(text))


async def _send(sending: Awaitable[None]) -> None:
    try:
        await sending
    except (RuntimeError, WebSocketDisconnect, OSError) as error:
        raise ClientGone from error


async def close(socket: WebSocket) -> None:
    try:
        await socket.close(1000)
    except (RuntimeError, WebSocketDisconnect, OSError):
        return  # gone already: closed
