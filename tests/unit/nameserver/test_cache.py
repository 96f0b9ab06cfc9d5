"""How long upstream's answers are kept, and that what is left of a TTL is told."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from nameserver import cache
from nameserver.cache import Aged, Answers, Asked, found, lifetime, ttls

SOA = dns.rrset.from_text("example.com.", 900, "IN", "SOA", "ns. host. 1 2 3 4 20")


def response(*answer: str, code=dns.rcode.NOERROR, kind="A", authority=()) -> dns.message.Message:
    made = dns.message.make_response(dns.message.make_query("www.example.com.", kind))
    made.set_rcode(code)
    made.answer = [dns.rrset.from_text(*one.split()) for one in answer]
    made.authority = list(authority)
    return made


ADDRESS = "www.example.com. 12 IN A 192.0.2.1"
ALIAS = "www.example.com. 7 IN CNAME web.example.com."
FAR = "web.example.com. 9 IN A 192.0.2.1"


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        (response(ADDRESS), 12.0),
        (response(ALIAS, FAR), 7.0),
        (response("www.example.com. 0 IN A 192.0.2.1"), 0.0),
        (response(code=dns.rcode.NXDOMAIN, authority=[SOA]), 20.0),  # the SOA's minimum
        (response(authority=[SOA]), 20.0),
        (response(ALIAS, authority=[SOA]), 7.0),  # the alias is there, its target has no such type
        (response(code=dns.rcode.NXDOMAIN), 0.0),  # RFC 2308, 5: without an SOA not kept
        (response(), 0.0),
        (response(code=dns.rcode.SERVFAIL), cache.FAILURE_SECONDS),
        (response(code=dns.rcode.REFUSED), 0.0),
    ],
)
def test_how_long_an_answer_is_good(message: dns.message.Message, seconds: float) -> None:
    assert lifetime(message) == seconds


def test_nothing_is_kept_longer_than_the_most() -> None:
    one = found(response("www.example.com. 86400 IN A 192.0.2.1"), 100.0)
    assert one.until == 100.0 + cache.SECONDS_MAX


def test_answers_are_bounded_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "ANSWERS_MAX", 3)
    answers, one = Answers(), found(response(ADDRESS), 0.0)
    asked = [Asked(f"{n}.example.com.", "A") for n in range(5)]
    for each in asked:
        answers.put(each, one)
    assert len(answers) == 3
    assert answers.get(asked[0], 1.0) is None  # the oldest gave way
    assert answers.get(asked[4], 11.9) is one
    assert answers.get(asked[4], 12.0) is None
    answers.put(asked[0], found(response(), 0.0))
    assert answers.get(asked[0], 0.0) is None  # not to be kept at all


def test_who_wants_signatures_has_answers_of_its_own() -> None:
    plain = Asked("a.", "A")
    assert len({plain, Asked("a.", "A", dnssec=True), Asked("a.", "A", unchecked=True)}) == 3
    assert plain.of("B.c") == Asked("b.c.", "A")


def test_ttls_count_down_and_nothing_else_changes() -> None:
    message = response(ALIAS, FAR, authority=[SOA])
    message.use_edns(0, payload=1232)
    wire = message.to_wire()
    assert [ttl for _, ttl in ttls(wire)] == [7, 9, 900]
    aged = Aged(wire, at=10.0, until=17.0)
    assert aged.reply(b"\1\2", 10.5) == b"\1\2" + wire[2:]
    later = dns.message.from_wire(aged.reply(b"\1\2", 14.2))
    assert [one.ttl for one in (*later.answer, *later.authority)] == [3, 5, 896]
    assert later.id == 0x102
    assert later.edns == 0
    assert later.answer[1][0].to_text() == "192.0.2.1"
