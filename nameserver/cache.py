"""What upstream answered, kept for as long as it said, negative answers too. Pure: time is passed in.

An answer is kept once for all clients, in parts. The bytes made of it for one form of question are kept
as well (`Aged`), with the places of their TTLs, which count down.

Source: RFC 2308 for negative answers and SERVFAIL; CoreDNS's `cache 30`, which kubeadm configures.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Final

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

ANSWERS_MAX: Final = 10_000
SECONDS_MAX: Final = 30.0  # an answer is kept no longer, whatever it says
FAILURE_SECONDS: Final = 5.0  # RFC 2308, 7.1: no more than five minutes
HEADER_BYTES: Final = 12
_RR = struct.Struct("!HHIH")  # type, class, TTL, length of what follows


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as far as its answer depends on it. `name`: lower case, with its final dot."""

    name: str
    kind: str
    dnssec: bool = False  # DO: wants signatures
    unchecked: bool = False  # CD: checks them itself

    def of(self, name: str) -> Asked:
        """The same about another name (without its final dot)."""
        return replace(self, name=f"{name.lower()}.")


@dataclass(frozen=True, slots=True)
class Found:
    """An answer of upstream. `at`: when it came; `until`: how long it is good."""

    code: dns.rcode.Rcode
    answer: tuple[dns.rrset.RRset, ...]
    authority: tuple[dns.rrset.RRset, ...]
    additional: tuple[dns.rrset.RRset, ...]
    authentic: bool
    at: float
    until: float


def found(message: dns.message.Message, now: float) -> Found:
    """A response in parts, and how long it may be kept (not at all: `until` is `now`)."""
    life = min(SECONDS_MAX, lifetime(message))
    return Found(
        message.rcode(),
        tuple(message.answer),
        tuple(message.authority),
        tuple(message.additional),
        bool(message.flags & dns.flags.AD),
        now,
        now + life,
    )


def lifetime(message: dns.message.Message) -> float:
    """Seconds for which a response may be kept; 0 when it may not."""
    code = message.rcode()
    if code == dns.rcode.SERVFAIL:
        return FAILURE_SECONDS
    if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return 0.0
    kinds = {one.rdtype for one in message.answer}
    asked = message.question[0].rdtype
    if code == dns.rcode.NOERROR and (asked in kinds or (kinds and asked == dns.rdatatype.ANY)):
        return float(min(one.ttl for one in message.answer))
    for one in message.authority:  # negative: the SOA says for how long
        if one.rdtype == dns.rdatatype.SOA:
            ttls = (one.ttl, one[0].minimum, *(alias.ttl for alias in message.answer))
            return float(min(ttls))
    return 0.0


class Answers:
    """Answers by question, the oldest of which give way."""

    def __init__(self) -> None:
        self._found: dict[Asked, Found] = {}

    def get(self, asked: Asked, now: float) -> Found | None:
        one = self._found.get(asked)
        if one is not None and one.until <= now:
            del self._found[asked]
            return None
        return one

    def put(self, asked: Asked, one: Found) -> None:
        if one.until <= one.at:
            return
        self._found.pop(asked, None)
        if len(self._found) >= ANSWERS_MAX:
            self._found.pop(next(iter(self._found)))
        self._found[asked] = one

    def __len__(self) -> int:
        return len(self._found)


class Aged:
    """A reply's bytes without its id; each time they are given, TTLs are what is left of them."""

    __slots__ = ("_at", "_places", "_rest", "until")

    def __init__(self, wire: bytes, at: float, until: float) -> None:
        self._rest = wire[2:]
        self._places = [(place - 2, ttl) for place, ttl in ttls(wire)]
        self._at, self.until = at, until

    def reply(self, ident: bytes, now: float) -> bytes:
        age = int(now - self._at)
        if age <= 0:
            return ident + self._rest
        aged = bytearray(self._rest)
        for place, ttl in self._places:
            struct.pack_into("!I", aged, place, max(0, ttl - age))
        return ident + aged


def ttls(wire: bytes) -> list[tuple[int, int]]:
    """Where a well-formed message has its records' TTLs, and what they are. OPT has none."""
    questions, *sections = struct.unpack_from("!4H", wire, 4)
    place = HEADER_BYTES
    for _ in range(questions):
        place = _after_name(wire, place) + 4
    places = []
    for _ in range(sum(sections)):
        place = _after_name(wire, place)
        kind, _, ttl, length = _RR.unpack_from(wire, place)
        if kind != dns.rdatatype.OPT:
            places.append((place + 4, ttl))
        place += _RR.size + length
    return places


def _after_name(wire: bytes, place: int) -> int:
    while True:
        length = wire[place]
        if length >= 0xC0:
            return place + 2
        place += 1 + length
        if not length:
            return place
