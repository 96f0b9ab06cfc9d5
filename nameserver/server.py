"""The sockets: UDP and TCP on one address.

What the responder knows at once is sent from the receiving callback; what takes time becomes a task
of this server, and their number is bounded by the forwarder.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable
from typing import Any, Final, cast

from nameserver.message import BadQueryError
from nameserver.responder import Responder
from wherry.daemon.process import StartError

log = logging.getLogger(__name__)

TCP_CONNECTIONS_MAX: Final = 256
TCP_IDLE_SECONDS: Final = 10.0
TASKS_MAX: Final = 1024


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, responder: Responder, tasks: asyncio.TaskGroup) -> None:
        self._responder = responder
        self._tasks = tasks
        self._waiting = 0
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's and uvloop's own classes, none of them a DatagramTransport by inheritance
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        reply = self._responder.at_once(data, tcp=False)
        if reply is None:
            if self._waiting < TASKS_MAX:  # beyond: silence, the client asks again
                self._waiting += 1
                self._tasks.create_task(self._later(data, addr))
        elif reply:
            self._send(reply, addr)

    async def _later(self, data: bytes, addr: Any) -> None:
        try:
            self._send(await self._responder.later(data, tcp=False), addr)
        except Exception:  # one question must not take the server, whose task this is, with it
            log.exception("a question could not be answered")
        finally:
            self._waiting -= 1

    def _send(self, reply: bytes, addr: Any) -> None:
        assert self._transport is not None, "datagrams come through a transport"
        self._transport.sendto(reply, addr)

    def error_received(self, error: Exception) -> None:
        log.debug("a client is gone: %s", error)


async def serve(
    responder: Responder,
    host: str,
    port: int,
    *,
    on_listening: Callable[[int], None] | None = None,
) -> None:
    """Serve until cancelled. `on_listening` is told the port (asked for as 0 in tests)."""
    loop = asyncio.get_running_loop()
    free = asyncio.Semaphore(TCP_CONNECTIONS_MAX)

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not free.locked():
                async with free:
                    await _converse(responder, reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, BadQueryError):
            log.debug("a TCP conversation ended")
        finally:
            writer.close()

    async with asyncio.TaskGroup() as tasks:
        try:
            tcp = await asyncio.start_server(connection, host, port)
            port = tcp.sockets[0].getsockname()[1]
            udp, _ = await loop.create_datagram_endpoint(
                lambda: _Udp(responder, tasks), local_addr=(host, port)
            )
        except OSError as error:
            raise StartError(f"cannot listen on {host}:{port}: {error}", "see --port") from error
        log.info("answering on %s:%d", host, port)
        if on_listening is not None:
            on_listening(port)
        try:
            async with tcp:
                await tcp.serve_forever()
        finally:
            udp.close()


async def _converse(
    responder: Responder, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Questions and answers on one TCP connection, each with its length before it."""
    while True:
        async with asyncio.timeout(TCP_IDLE_SECONDS):
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            data = await reader.readexactly(length)
        reply = responder.at_once(data, tcp=True)
        if reply is None:
            reply = await responder.later(data, tcp=True)
        if not reply:
            return
        writer.write(struct.pack("!H", len(reply)) + reply)
        async with asyncio.timeout(TCP_IDLE_SECONDS):
            await writer.drain()
