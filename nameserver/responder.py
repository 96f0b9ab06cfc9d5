"""Message in, message out: the zone's answers as ready bytes, everything else forwarded.

The same question by the same client library is the same bytes but for its id; so answers are cached
by the message without its id, and forgotten all together when the zone changes. Names with several
records keep a few rotations, handed out in turn.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import dns.exception
from prometheus_client import CollectorRegistry, Counter

from nameserver.answer import Answer, answer, soa
from nameserver.forward import Forwarder, ForwardError
from nameserver.message import BadQueryError, Query, encode, parse, question, server_failure
from nameserver.zone import Zone

log = logging.getLogger(__name__)

CACHED_MAX: Final = 4096  # questions; with more, all are forgotten
CACHED_QUERY_BYTES_MAX: Final = 512
ROTATIONS_MAX: Final = 8


class _Turns:
    """The rotations of one answer, made one at a time until there are enough."""

    __slots__ = ("_make", "_next", "_ready", "_wanted")

    def __init__(self, make: Callable[[int], bytes], wanted: int) -> None:
        self._make = make
        self._wanted = wanted
        self._ready: list[bytes] = []
        self._next = 0

    def next(self) -> bytes:
        turn = self._next
        self._next = (turn + 1) % self._wanted
        if turn == len(self._ready):
            self._ready.append(self._make(turn))
        return self._ready[turn]


class Responder:
    """Answers messages. `synced` says whether the zone is complete yet."""

    def __init__(
        self,
        zone: Zone,
        forwarder: Forwarder,
        synced: Callable[[], bool],
        registry: CollectorRegistry,
        dns_address: str = "",
    ) -> None:
        self._zone = zone
        self._forwarder = forwarder
        self._synced = synced
        self._dns_address = dns_address
        self._cache: tuple[dict[bytes, _Turns], dict[bytes, _Turns]] = ({}, {})  # UDP, TCP
        self._answers = Counter(
            "wherry_dns_responses", "Answers by where they came from", ["source"], registry=registry
        )
        self._hits = self._answers.labels("cache")

    def forget(self) -> None:
        """The zone changed."""
        for cache in self._cache:
            cache.clear()

    def at_once(self, data: bytes, *, tcp: bool) -> bytes | None:
        """The reply that needs no waiting: empty = say nothing, None = `later` is needed."""
        turns = self._cache[tcp].get(data[2:])
        if turns is not None:
            self._hits.inc()
            return data[:2] + turns.next()[2:]
        try:
            query = parse(data)
        except BadQueryError as error:
            self._answers.labels("refused").inc()
            return error.reply
        found = answer(self._zone, query.name, query.kind, self._dns_address)
        if found is None or found.chase:
            return None
        if not self._synced():
            return server_failure(query)
        self._answers.labels("zone").inc()
        try:
            return data[:2] + self._remember(data, query, found, tcp).next()[2:]
        except dns.exception.DNSException:
            log.exception("the answer to %s %s cannot be written", query.name, query.kind)
            return server_failure(query)

    def _remember(self, data: bytes, query: Query, found: Answer, tcp: bool) -> _Turns:
        origin = soa(self._zone)

        def make(turn: int) -> bytes:
            return encode(query, found, origin, tcp=tcp, turn=turn)

        turns = _Turns(make, min(max(len(found.records), 1), ROTATIONS_MAX))
        cache = self._cache[tcp]
        if len(data) <= CACHED_QUERY_BYTES_MAX:
            if len(cache) >= CACHED_MAX:
                cache.clear()
            cache[data[2:]] = turns
        return turns

    async def later(self, data: bytes, *, tcp: bool) -> bytes:
        """The reply to a message for which `at_once` had none."""
        query = parse(data)
        if self._forwarder.busy:
            self._answers.labels("overload").inc()
            return server_failure(query)
        self._answers.labels("forwarded").inc()
        found = answer(self._zone, query.name, query.kind, self._dns_address)
        try:
            if found is None:
                return await self._forwarder.ask(data, tcp=tcp)
            chased = await self._forwarder.ask(question(found.chase, query.kind), tcp=True)
            return encode(query, found, soa(self._zone), tcp=tcp, chased=chased)
        except ForwardError as error:
            log.debug("%s %s: %s", query.name, query.kind, error)
        except dns.exception.DNSException as error:
            log.debug("%s %s: upstream's answer is no message: %s", query.name, query.kind, error)
        return server_failure(query)
