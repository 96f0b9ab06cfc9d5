"""Questions that are not ours, asked of the resolvers this machine has.

UDP from a fresh port with a fresh id, then the next resolver; a truncated answer is fetched by TCP
when the client can take it. Every question has a deadline, and there is a bound on how many are
under way.
"""

from __future__ import annotations

import asyncio
import logging
import os
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, cast

log = logging.getLogger(__name__)

FORWARDS_MAX: Final = 512
TRY_SECONDS: Final = 2.0  # for one resolver
TOTAL_SECONDS: Final = 5.0  # clients give up then
TRUNCATED: Final = 0x02  # in the third byte of a message
PORT: Final = 53


class ForwardError(Exception):
    """No resolver gave an answer."""


def resolvers(resolv_conf: str, own: Iterable[str]) -> tuple[str, ...]:
    """The resolvers a resolv.conf names, without ourselves."""
    mine = set(own)
    found = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and words[1] not in mine:
            found.append(words[1])
    return tuple(dict.fromkeys(found))


def read_resolvers(path: Path, own: Iterable[str]) -> tuple[str, ...]:
    """The machine's resolvers; none when the file can't be read."""
    try:
        return resolvers(path.read_text(), own)
    except OSError as error:
        log.warning("no upstream resolvers: %s", error)
        return ()


class _OneAnswer(asyncio.DatagramProtocol):
    """Waits for the one datagram that carries the question's id and text."""

    def __init__(self, query: bytes) -> None:
        self._query = query
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.DatagramTransport", transport).sendto(self._query)

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data[:2] == self._query[:2] and len(data) > 2 and not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Forwarder:
    """Asks upstream. `servers` are `address` or `address:port`."""

    def __init__(self, servers: Sequence[str]) -> None:
        self._servers = [split_server(one) for one in servers]
        self._free = asyncio.Semaphore(FORWARDS_MAX)

    @property
    def busy(self) -> bool:
        """Whether another question would have to wait: then it is better refused."""
        return self._free.locked()

    async def ask(self, query: bytes, *, tcp: bool) -> bytes:
        """Upstream's answer to this message, with the message's id; ForwardError without one."""
        wire = os.urandom(2) + query[2:]
        problem: object = "no upstream resolver is known"
        async with self._free:
            try:
                async with asyncio.timeout(TOTAL_SECONDS):
                    for host, port in self._servers:
                        try:
                            return query[:2] + (await self._exchange(wire, host, port, tcp))[2:]
                        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                            problem = f"{host}: {error!r}"
            except TimeoutError:
                problem = f"no answer in {TOTAL_SECONDS:.0f} s"
        raise ForwardError(str(problem))

    async def _exchange(self, wire: bytes, host: str, port: int, tcp: bool) -> bytes:
        async with asyncio.timeout(TRY_SECONDS):
            answer = await _by_udp(wire, host, port)
            if tcp and answer[2] & TRUNCATED:
                answer = await _by_tcp(wire, host, port)
            return answer


async def _by_udp(wire: bytes, host: str, port: int) -> bytes:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: _OneAnswer(wire), remote_addr=(host, port)
    )
    try:
        return await protocol.answer
    finally:
        transport.close()


async def _by_tcp(wire: bytes, host: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(struct.pack("!H", len(wire)) + wire)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        return await reader.readexactly(length)
    finally:
        writer.close()


def split_server(text: str) -> tuple[str, int]:
    """`10.0.0.1`, `10.0.0.1:5353`, `fd00::1`, `[fd00::1]:5353`. ValueError for a bad port."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, int(rest.removeprefix(":") or PORT)
    if text.count(":") == 1:
        host, _, rest = text.partition(":")
        return host, int(rest)
    return text, PORT
