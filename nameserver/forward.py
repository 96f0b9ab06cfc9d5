"""Questions that are not ours, asked of the resolvers this machine has.

Each question goes out from a fresh port with a fresh id. When the first resolver is slow the next is
asked as well, and the first good answer counts. A truncated answer is fetched by TCP. Every question
has a deadline, and there is a bound on how many are under way; who asks the same meanwhile waits for
the same answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import struct
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, cast

import dns.exception
import dns.flags
import dns.message
import dns.rcode

from nameserver.cache import Answers, Asked, Found, found
from nameserver.upstreams import Upstream, order, read_resolvers, split_server

log = logging.getLogger(__name__)

FORWARDS_MAX: Final = 512
TRY_SECONDS: Final = 2.0  # for one resolver
HEDGE_SECONDS: Final = 0.8  # then another is asked as well
ROUNDS: Final = 2  # through all resolvers: a datagram may be lost
TOTAL_SECONDS: Final = 4.0  # clients give up after five
TRUNCATED: Final = 0x02  # in the third byte of a message
PAYLOAD: Final = 1232
LOOK_SECONDS: Final = 5.0  # between two looks at resolv.conf
PROBE_SECONDS: Final = 600.0  # between two looks for loops
LOOPED_SECONDS: Final = 60.0  # while there is one
POOR: Final = (dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP, dns.rcode.FORMERR)


class ForwardError(Exception):
    """No resolver gave an answer."""


class _OneAnswer(asyncio.DatagramProtocol):
    """Waits for the one datagram that carries the question's id."""

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
    """Asks upstream and remembers. `servers` are `address` or `address:port`."""

    def __init__(self, servers: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._upstreams: list[Upstream] = []
        self._clock = clock
        self._answers = Answers()
        self._under_way: dict[Asked, asyncio.Future[Found]] = {}
        self._probes: dict[str, Upstream] = {}
        self.use(servers)

    # --- who is asked

    @property
    def upstreams(self) -> Sequence[Upstream]:
        return self._upstreams

    def use(self, servers: Sequence[str]) -> None:
        """Ask these from now on; what is known of those that stay is kept."""
        known = {(one.host, one.port): one for one in self._upstreams}
        places = [split_server(one) for one in servers]
        self._upstreams = [known.get(place) or Upstream(*place) for place in places]

    async def follow(self, path: Path, own: Sequence[str]) -> None:
        """Use what a resolv.conf names, for as long as this runs."""
        before: tuple[str, ...] | None = None
        while True:
            try:
                named = await asyncio.to_thread(read_resolvers, path, own)
            except OSError as error:
                if before is None:
                    log.warning("no upstream resolvers: %s", error)
                named = before or ()
            if named != before:
                log.info("upstream resolvers: %s", ", ".join(named) or "none")
                self.use(named)
                before = named
            await asyncio.sleep(LOOK_SECONDS)

    # --- loops

    async def look_for_loops(self) -> None:
        """Send each resolver a name that only we know, and see whether it comes back: when there are
        others, and now and then."""
        looked_at: list[Upstream] | None = None
        due = 0.0
        while True:
            if looked_at is not self._upstreams or self._clock() >= due:
                looked_at = self._upstreams
                for one in list(looked_at):
                    await self._probe(one)
                looped = any(one.looped for one in looked_at)
                due = self._clock() + (LOOPED_SECONDS if looped else PROBE_SECONDS)
            await asyncio.sleep(LOOK_SECONDS)

    async def _probe(self, upstream: Upstream) -> None:
        name = f"{secrets.randbits(60)}.{secrets.randbits(60)}."
        before, upstream.looped = upstream.looped, False
        self._probes[name] = upstream
        try:
            wire = dns.message.make_query(name, "HINFO").to_wire()
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                await self._exchange(wire, upstream)  # silence is no loop
        finally:
            del self._probes[name]
        if upstream.looped and not before:
            log.error("upstream resolver %s leads back to this server: it is not asked", upstream)

    def is_probe(self, name: str) -> bool:
        """Whether this question is our own come back. `name`: lower case, no final dot."""
        upstream = self._probes.get(f"{name}.")
        if upstream is not None:
            upstream.looped = True
        return upstream is not None

    # --- asking

    @property
    def busy(self) -> bool:
        """Whether another question would be one too many: then it is better refused."""
        return len(self._under_way) >= FORWARDS_MAX

    def __len__(self) -> int:
        """How many answers are kept."""
        return len(self._answers)

    def known(self, asked: Asked) -> Found | None:
        """What is still good of an earlier answer."""
        return self._answers.get(asked, self._clock())

    async def resolve(self, asked: Asked) -> Found:
        """Upstream's answer, or what is kept of one; ForwardError without any."""
        kept = self.known(asked)
        if kept is not None:
            return kept
        shared = self._under_way.get(asked)
        if shared is not None:
            return await asyncio.shield(shared)
        future: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._under_way[asked] = future
        try:
            answer = await self._ask(asked)
        except BaseException as error:
            wrong = error if isinstance(error, ForwardError) else ForwardError("given up")
            future.set_exception(wrong)
            future.exception()  # nobody else may be waiting
            raise
        else:
            future.set_result(answer)
        finally:
            del self._under_way[asked]
        self._answers.put(asked, answer)
        return answer

    async def _ask(self, asked: Asked) -> Found:
        query = dns.message.make_query(
            asked.name, asked.kind, use_edns=0, payload=PAYLOAD, want_dnssec=asked.dnssec,
            flags=dns.flags.RD | (dns.flags.CD if asked.unchecked else 0),
        )  # fmt: skip
        asking = order(self._upstreams, self._clock()) * ROUNDS
        if not asking:
            raise ForwardError("no upstream resolver is known")
        poor: Found | None = None
        problem: object = f"no answer in {TOTAL_SECONDS:.0f} s"
        tries: set[asyncio.Task[Found]] = set()
        deadline = self._clock() + TOTAL_SECONDS
        try:
            while asking or tries:
                if asking:
                    tries.add(asyncio.ensure_future(self._try(query, asking.pop(0))))
                left = deadline - self._clock()
                patience = min(HEDGE_SECONDS, left) if asking else left
                if left <= 0:
                    break
                done, tries = await asyncio.wait(
                    tries, timeout=patience, return_when=asyncio.FIRST_COMPLETED
                )
                for one in done:
                    if (error := one.exception()) is not None:
                        problem = error
                    elif one.result().code in POOR:
                        poor = one.result()
                    else:
                        return one.result()
        finally:
            for one in tries:
                one.cancel()
        if poor is not None:
            return poor
        raise ForwardError(str(problem))

    async def _try(self, query: dns.message.Message, upstream: Upstream) -> Found:
        wire = os.urandom(2) + query.to_wire()[2:]
        try:
            answer = dns.message.from_wire(await self._exchange(wire, upstream))
            if answer.question != query.question or not answer.flags & dns.flags.QR:
                raise ForwardError(f"{upstream} answers another question")
        except (
            OSError, TimeoutError, asyncio.IncompleteReadError, dns.exception.DNSException,
            ForwardError,
        ) as error:  # fmt: skip
            upstream.failed(self._clock())
            raise ForwardError(f"{upstream}: {error!r}") from error
        upstream.answered()
        return found(answer, self._clock())

    async def _exchange(self, wire: bytes, upstream: Upstream) -> bytes:
        async with asyncio.timeout(TRY_SECONDS):
            answer = await ask_by_udp(wire, upstream.host, upstream.port)
            if answer[2] & TRUNCATED:
                answer = await _by_tcp(wire, upstream.host, upstream.port)
            return answer


async def ask_by_udp(wire: bytes, host: str, port: int) -> bytes:
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
