"""uvicorn as we run it: our connection class, our signals, and streams that end when it stops."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import uvicorn

from apiserver.http.limits import HANDSHAKE_SECONDS_MAX, Limits
from apiserver.http.protocol import Connection, tune_socket
from apiserver.http.respond import Responder

# Longer than the 90 s after which Go's connection pool drops an idle connection itself: the side that
# sends the next request must be the one that closes, or it loses a request to the race.
KEEP_ALIVE_SECONDS = 120
BACKLOG = 1024
# What SIGTERM grants to requests that are being answered.
DRAIN_SECONDS_MAX = 10
CLOSE_SECONDS_MAX = 0.5


def listen(address: str, port: int) -> socket.socket:
    """A listening socket; OSError when the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and address == "::":
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        tune_socket(sock)
        sock.bind((address, port))
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


class HttpServer(uvicorn.Server):
    """Serves the application over TLS until `should_exit`."""

    def __init__(
        self, app: Any, responder: Responder, tls: ssl.SSLContext, limits: Limits | None = None
    ) -> None:
        config = uvicorn.Config(
            app,
            interface="asgi3",
            http=Connection,
            loop="none",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS_MAX,
        )
        config.load()
        config.ssl = tls
        self._responder = responder
        super().__init__(config)
        self.server_state.limits = limits or Limits()  # type: ignore[attr-defined]  # all connections have the state

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections. As uvicorn's, but a TLS handshake has a deadline of ours."""
        assert sockets, "the sockets listen before the server is made"
        loop = asyncio.get_running_loop()

        def connection() -> Connection:
            return Connection(
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )

        self.servers = [
            await loop.create_server(
                connection,
                sock=sock,
                ssl=self.config.ssl,
                backlog=self.config.backlog,
                ssl_handshake_timeout=HANDSHAKE_SECONDS_MAX,
            )
            for sock in sockets
        ]
        self.started = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the process's business (`wherry.daemon.process`), which cancels us."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End watches first: uvicorn would wait for them."""
        self._responder.drain()
        closer = asyncio.create_task(self._abort_silent())
        try:
            await super().shutdown(sockets)
        finally:
            closer.cancel()

    async def _abort_silent(self) -> None:
        """Cut off clients that do not answer TLS's good-bye: idle pools often are not read."""
        while True:
            await asyncio.sleep(CLOSE_SECONDS_MAX)
            for connection in list(self.server_state.connections):
                if connection.transport.is_closing():
                    connection.transport.abort()
