"""Message in, message out: the zone's answers and kept ones as ready bytes, everything else forwarded.

The same question by the same client library is the same bytes but for its id; so answers are cached
by the message without its id. The zone's are forgotten when something changes about a name that they
are made of, upstream's when they are over. Names with several records keep a few rotations, handed out
in turn.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import dns.exception
import dns.rcode
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from nameserver.answer import Answer, answer, soa
from nameserver.cache import Aged, Found
from nameserver.forward import Forwarder, ForwardError
from nameserver.message import (
    BadQueryError,
    Query,
    encode,
    parse,
    refusal,
    relay,
    server_failure,
)
from nameserver.zone import Zone

log = logging.getLogger(__name__)

CACHED_MAX: Final = 4096  # questions; with more, all are forgotten
NAMES_MAX: Final = 4 * CACHED_MAX  # that cached answers are made of
CACHED_QUERY_BYTES_MAX: Final = 512
ROTATIONS_MAX: Final = 8
POINTERS: Final = ("CNAME", "SRV", "NS")


class _Turns:
    """The rotations of one answer, made one at a time until there are enough."""

    __slots__ = ("_make", "_next", "_ready", "_wanted")

    def __init__(self, make: Callable[[int], bytes], wanted: int) -> None:
        self._make = make
        self._wanted = wanted
        self._ready: list[bytes] = []  # without the id
        self._next = 0

    def next(self) -> bytes:
        turn = self._next
        if self._wanted > 1:
            self._next = (turn + 1) % self._wanted
        if turn == len(self._ready):
            self._ready.append(self._make(turn)[2:])
        return self._ready[turn]


class _Counts(Collector):
    """Answers by where they came from. Plain numbers: one is added for every question."""

    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder
        self.cache = self.zone = self.kept = self.forwarded = 0
        self.refused = self.overload = self.failed = 0

    def collect(self) -> Iterator[Metric]:
        answers = CounterMetricFamily(
            "wherry_dns_responses", "Answers by where they came from", labels=["source"]
        )
        for name in ("cache", "zone", "kept", "forwarded", "refused", "overload", "failed"):
            answers.add_metric([name], getattr(self, name))
        yield answers
        yield GaugeMetricFamily(
            "wherry_dns_kept_answers", "Answers of upstream that are kept", len(self._forwarder)
        )
        down = GaugeMetricFamily(
            "wherry_dns_upstream_failures", "Failures in a row of a resolver", labels=["to"]
        )
        for one in self._forwarder.upstreams:
            down.add_metric([str(one)], one.failures)
        yield down


def names_in(name: str, found: Answer) -> set[str]:
    """The names that an answer to a question for `name` is made of, those it points to as well."""
    names = {name.lower()}
    for one in (*found.records, *found.additional):
        names.add(one.name)
        if one.type in POINTERS:
            names.add(one.data.rpartition(" ")[2].rstrip(".").lower())
    return names


class Responder:
    """Answers messages. `synced` says whether the zone is complete yet."""

    def __init__(
        self,
        zone: Zone,
        forwarder: Forwarder,
        synced: Callable[[], bool],
        registry: CollectorRegistry,
        dns_addresses: tuple[str, ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._zone = zone
        self._forwarder = forwarder
        self._synced = synced
        self._dns_addresses = dns_addresses
        self._clock = clock
        # For UDP and TCP: what the zone says, what upstream said.
        self._cache: tuple[dict[bytes, _Turns], dict[bytes, _Turns]] = ({}, {})
        self._kept: tuple[dict[bytes, Aged], dict[bytes, Aged]] = ({}, {})
        self._made_of: dict[str, set[bytes]] = {}  # a name → the questions whose answers it is in
        self._counts = _Counts(forwarder)
        registry.register(self._counts)

    def forget(self, names: Iterable[str]) -> None:
        """Something changed about these names."""
        for name in names:
            for question in self._made_of.pop(name, ()):
                for cache in (*self._cache, *self._kept):
                    cache.pop(question, None)

    def _note(self, question: bytes, names: Iterable[str]) -> None:
        """Remember which names a question's answer is made of; make room before there is none."""
        caches = (*self._cache, *self._kept)
        if len(self._made_of) >= NAMES_MAX or any(len(one) >= CACHED_MAX for one in caches):
            for cache in caches:
                cache.clear()
            self._made_of.clear()
        for name in names:
            self._made_of.setdefault(name, set()).add(question)

    def at_once(self, data: bytes, *, tcp: bool) -> bytes | None:
        """The reply that needs no waiting: empty = say nothing, None = `later` is needed."""
        turns = self._cache[tcp].get(data[2:])
        if turns is not None:
            self._counts.cache += 1
            return data[:2] + turns.next()
        kept = self._kept[tcp].get(data[2:])
        if kept is not None:
            now = self._clock()
            if now < kept.until:
                self._counts.kept += 1
                return kept.reply(data[:2], now)
            del self._kept[tcp][data[2:]]
        try:
            query = parse(data)
        except BadQueryError as error:
            self._counts.refused += 1
            return error.reply
        return self._of_zone(data, query, tcp)

    def _of_zone(self, data: bytes, query: Query, tcp: bool) -> bytes | None:
        found = answer(self._zone, query.name, query.kind, self._dns_addresses)
        if found is None:
            return self._of_others(data, query, tcp)
        if not self._synced():
            self._counts.failed += 1
            return server_failure(query)
        if found.chase:
            return None
        self._counts.zone += 1
        try:
            return data[:2] + self._remember(data, query, found, tcp).next()
        except dns.exception.DNSException:
            log.exception("the answer to %s %s cannot be written", query.name, query.kind)
            self._counts.failed += 1
            return server_failure(query)

    def _of_others(self, data: bytes, query: Query, tcp: bool) -> bytes | None:
        if query.kind == "HINFO" and self._forwarder.is_probe(query.name.lower()):
            return refusal(query, dns.rcode.REFUSED)
        known = self._forwarder.known(query.asked)
        if known is None:
            return None
        self._counts.kept += 1
        return self._relayed(data, query, known, tcp)

    def _relayed(self, data: bytes, query: Query, found: Found, tcp: bool) -> bytes:
        """Upstream's answer for this client, remembered by the bytes of its question."""
        aged = Aged(relay(query, found, tcp=tcp), found.at, found.until)
        now = self._clock()
        if now < found.until and len(data) <= CACHED_QUERY_BYTES_MAX:
            self._note(data[2:], [query.name.lower()])
            self._kept[tcp][data[2:]] = aged
        return aged.reply(data[:2], now)

    def _remember(self, data: bytes, query: Query, found: Answer, tcp: bool) -> _Turns:
        origin = soa(self._zone)

        def make(turn: int) -> bytes:
            return encode(query, found, origin, tcp=tcp, turn=turn)

        turns = _Turns(make, min(max(len(found.records), 1), ROTATIONS_MAX))
        if len(data) <= CACHED_QUERY_BYTES_MAX:
            self._note(data[2:], names_in(query.name, found))
            self._cache[tcp][data[2:]] = turns
        return turns

    async def later(self, data: bytes, *, tcp: bool) -> bytes:
        """The reply to a message for which `at_once` had none."""
        query = parse(data)
        if self._forwarder.busy:
            self._counts.overload += 1
            return server_failure(query)
        self._counts.forwarded += 1
        found = answer(self._zone, query.name, query.kind, self._dns_addresses)
        asked = query.asked
        try:
            if found is None:
                return self._relayed(data, query, await self._forwarder.resolve(asked), tcp)
            chased = await self._forwarder.resolve(asked.of(found.chase))
            return encode(query, found, soa(self._zone), tcp=tcp, chased=chased)
        except ForwardError as error:
            log.debug("%s %s: %s", query.name, query.kind, error)
        except dns.exception.DNSException as error:
            log.debug("%s %s: upstream's answer is no message: %s", query.name, query.kind, error)
        self._counts.failed += 1
        return server_failure(query)
