"""Run the kubelet's server over TLS inside this process's event loop."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

from kubelet.server.protocol import Connection, StreamConnection, tune_socket
from wherry.daemon.process import StartError

KEEP_ALIVE_SECONDS = 120
SHUTDOWN_SECONDS_MAX = 2
BACKLOG = 128


TICK_SECONDS = 1.0  # of the Date header


class _Server(uvicorn.Server):
    """Signals are the process shell's business; and nobody is woken ten times a second to look whether
    he should end."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    def end(self) -> None:
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._ending.wait()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def serve(
    app: ASGIApp,
    host: str,
    port: int,
    context: ssl.SSLContext,
    *,
    on_listening: Callable[[int], None] | None = None,
) -> None:
    """Serve until cancelled. `on_listening` is told the port (asked for as 0 in tests)."""
    config = uvicorn.Config(
        app,
        http=Connection,
        ws=StreamConnection,
        ws_per_message_deflate=False,
        loop="none",
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        ssl_context_factory=lambda config, default: context,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS_MAX,
    )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tune_socket(listener)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        cause = f"cannot listen on {host}:{port}: {error.strerror}"
        raise StartError(cause, "stop what uses the port or choose another with --port") from error
    listener.listen(BACKLOG)
    if on_listening is not None:
        on_listening(listener.getsockname()[1])
    server = _Server(config)
    serving = asyncio.ensure_future(server.serve([listener]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.end()
        await serving
        raise
    finally:
        listener.close()
