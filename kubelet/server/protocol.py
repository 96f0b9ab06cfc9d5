"""uvicorn's connection, plus what it does not tell: the client's certificate.

It reaches HTTP and WebSocket scopes alike as `scope["state"]["certificate"]`. Dead peers are
noticed by TCP (kubectl exec may be silent for hours).
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

TCP_USER_TIMEOUT_MS = 10_000
KEEPALIVE_IDLE_SECONDS = 30
KEEPALIVE_INTERVAL_SECONDS = 5


class Connection(HttpToolsProtocol):
    """One connection; its certificate is None when the client showed none."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        certificate: dict[str, Any] | None = tls.getpeercert() if tls is not None else None
        self.app_state = {**self.app_state, "certificate": certificate or None}

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing: who asks for SPDY is told in the answer."""


class StreamConnection(WebSocketsSansIOProtocol):
    """A WebSocket whose subprotocol the application alone reads and chooses.

    The library would refuse `SPDY/3.1+portforward.k8s.io`: by RFC 6455 a name has no slash.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn.process_subprotocol = lambda headers: None  # type: ignore[method-assign]

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            # A refusal ends the handshake too; uvicorn would log that it was left open.
            self.handshake_complete = True


def tune_socket(sock: socket.socket) -> None:
    """Set on a listening socket it holds for every accepted one (Linux)."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
