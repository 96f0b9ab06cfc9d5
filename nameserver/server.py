"""The sockets: UDP datagrams and TCP connections of a `Responder`.

What needs no waiting is answered right where it is received, many datagrams for each turn of the loop
(a transport would hand them over one by one); what takes time becomes a task of this server, and their
number is bounded.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

from nameserver.message import BadQueryError
from nameserver.responder import Responder
from wherry.daemon.process import StartError

log = logging.getLogger(__name__)

TCP_CONNECTIONS_MAX: Final = 256
TCP_IDLE_SECONDS: Final = 10.0
TASKS_MAX: Final = 1024
BATCH_MAX: Final = 128  # datagrams before the loop has its turn: some 1 ms
DATAGRAM_BYTES_MAX: Final = 4096  # a question of more is none of ours
BUFFER_BYTES: Final = 4 * 1024 * 1024  # a burst waits here; the kernel grants what it may


class _Udp:
    """One datagram socket."""

    def __init__(self, responder: Responder, tasks: asyncio.TaskGroup, sock: socket.socket) -> None:
        self._responder = responder
        self._tasks = tasks
        self._sock = sock
        self._waiting = 0

    def readable(self) -> None:
        receive, send = self._sock.recvfrom, self._sock.sendto
        at_once = self._responder.at_once
        for _ in range(BATCH_MAX):
            try:
                data, address = receive(DATAGRAM_BYTES_MAX)
            except BlockingIOError:
                return
            except OSError as error:  # an earlier answer met nobody
                log.debug("a client is gone: %s", error)
                continue
            try:
                reply = at_once(data, tcp=False)
            except Exception:  # one question must not take the server with it
                log.exception("a question could not be answered")
                continue
            if reply:
                try:
                    send(reply, address)
                except OSError as error:  # gone, or the buffer is full: the client asks again
                    log.debug("an answer was not sent: %s", error)
            elif reply is None and self._waiting < TASKS_MAX:  # beyond: silence, it asks again
                self._waiting += 1
                self._tasks.create_task(self._later(data, address))

    async def _later(self, data: bytes, address: Any) -> None:
        try:
            reply = await self._responder.later(data, tcp=False)
            self._sock.sendto(reply, address)
        except OSError as error:
            log.debug("an answer was not sent: %s", error)
        except Exception:  # one question must not take the server, whose task this is, with it
            log.exception("a question could not be answered")
        finally:
            self._waiting -= 1


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
        sock.setblocking(False)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


async def serve(
    responder: Responder,
    hosts: Sequence[str],
    port: int,
    *,
    on_listening: Callable[[int], None] | None = None,
) -> None:
    """Serve until cancelled. `on_listening` is told the port (asked for as 0 in tests)."""
    loop = asyncio.get_running_loop()
    free = asyncio.Semaphore(TCP_CONNECTIONS_MAX)
    sockets: list[socket.socket] = []

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
            tcp = await asyncio.start_server(connection, list(hosts), port)
            port = tcp.sockets[0].getsockname()[1]
            sockets += [_bound(host, port) for host in hosts]
        except OSError as error:
            listed = ", ".join(hosts)
            raise StartError(f"cannot listen on {listed}:{port}: {error}", "see --port") from error
        for sock in sockets:
            loop.add_reader(sock.fileno(), _Udp(responder, tasks, sock).readable)
        log.info("answering on %s, port %d", ", ".join(hosts), port)
        if on_listening is not None:
            on_listening(port)
        try:
            async with tcp:
                await tcp.serve_forever()
        finally:
            for sock in sockets:
                loop.remove_reader(sock.fileno())
                sock.close()


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
