"""Bytes in, bytes out."""

from __future__ import annotations

import contextlib

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nameserver.answer import Answer
from nameserver.cache import found
from nameserver.message import BadQueryError, encode, parse, relay, size_limit
from nameserver.zone import Record

SOA = Record("cluster.local", "SOA", "ns. host. 1 2 3 4 5")
MANY = Answer(
    "NOERROR", tuple(Record("a.b", "A", f"10.0.{n // 250}.{n % 250}") for n in range(900))
)
FEW = Answer("NOERROR", tuple(Record("a.b", "A", f"10.0.0.{n}") for n in range(3)))


def ask(name: str = "a.b.", kind: str = "A", **more) -> dns.message.Message:
    return dns.message.make_query(name, kind, **more)


def test_a_question_is_read() -> None:
    query = parse(ask("Web.Default.svc.cluster.local.", "SRV").to_wire())
    assert (query.name, query.kind) == ("Web.Default.svc.cluster.local", "SRV")


def broken(change) -> bytes:
    message = ask()
    change(message)
    return message.to_wire()


_EDNS = ask(use_edns=0).to_wire()
TWO_OPTS = _EDNS[:11] + b"\2" + _EDNS[12:] + _EDNS[-11:]
_PLAIN = ask().to_wire()
TWO_QUESTIONS = _PLAIN[:5] + b"\2" + _PLAIN[6:] + _PLAIN[12:]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (broken(lambda m: m.set_opcode(4)), dns.rcode.NOTIMP),
        (broken(lambda m: m.question.clear()), dns.rcode.FORMERR),
        (ask().to_wire()[:15], dns.rcode.FORMERR),
        (broken(lambda m: m.use_edns(edns=1)), dns.rcode.BADVERS),
        (dns.message.make_query("a.", "A", rdclass="CH").to_wire(), dns.rcode.REFUSED),
        (ask(kind="AXFR").to_wire(), dns.rcode.REFUSED),
        (ask(kind="IXFR").to_wire(), dns.rcode.REFUSED),
        (ask(kind="MAILB").to_wire(), dns.rcode.NOTIMP),
        (ask(kind="TSIG").to_wire(), dns.rcode.NOTIMP),
        (ask(kind="OPT").to_wire(), dns.rcode.FORMERR),
        (TWO_OPTS, dns.rcode.FORMERR),
        (TWO_QUESTIONS, dns.rcode.FORMERR),
    ],
    ids=[
        "opcode", "no-question", "cut", "edns-1", "chaos", "axfr", "ixfr", "mailb", "tsig", "opt",
        "two-opts", "two-questions",
    ],
)  # fmt: skip
def test_refusals(data: bytes, code) -> None:
    with pytest.raises(BadQueryError) as caught:
        parse(data)
    reply = dns.message.from_wire(caught.value.reply, question_only=True)
    assert caught.value.reply[:2] == data[:2]
    assert reply.rcode() & 0xF == code & 0xF
    assert reply.flags & dns.flags.QR


@pytest.mark.parametrize("data", [b"", b"short", b"\x00\x01\x80" + bytes(20)])
def test_what_is_no_question_gets_silence(data: bytes) -> None:
    with pytest.raises(BadQueryError) as caught:
        parse(data)
    assert caught.value.reply == b""


@given(st.binary(max_size=64))
def test_nothing_else_is_ever_raised(data: bytes) -> None:
    with contextlib.suppress(BadQueryError):
        parse(data)


def test_an_answer() -> None:
    query = parse(ask().to_wire())
    reply = dns.message.from_wire(encode(query, FEW, SOA, tcp=False))
    assert reply.id == query.message.id
    assert reply.flags & dns.flags.AA
    assert [rrset.to_text() for rrset in reply.answer] == [
        "a.b. 5 IN A 10.0.0.0\na.b. 5 IN A 10.0.0.1\na.b. 5 IN A 10.0.0.2"
    ]


def test_records_rotate() -> None:
    query = parse(ask().to_wire())
    firsts = []
    for turn in range(3):
        reply = dns.message.from_wire(encode(query, FEW, SOA, tcp=False, turn=turn))
        firsts.append(reply.answer[0][0].to_text())
    assert firsts == ["10.0.0.0", "10.0.0.1", "10.0.0.2"]


@pytest.mark.parametrize(
    ("edns", "tcp", "truncated"),
    [(None, False, True), (4096, False, True), (None, True, False)],
)
def test_answers_that_are_too_long(edns: int | None, tcp: bool, truncated: bool) -> None:
    question = ask(use_edns=0, payload=edns) if edns else ask()
    data = encode(parse(question.to_wire()), MANY, SOA, tcp=tcp)
    reply = dns.message.from_wire(data)
    assert bool(reply.flags & dns.flags.TC) is truncated
    assert len(data) <= (65535 if tcp else 1232 if edns else 512)
    assert (reply.edns >= 0) is bool(edns)


def test_negative_answers() -> None:
    query = parse(ask().to_wire())
    reply = dns.message.from_wire(encode(query, Answer("NXDOMAIN", authority=True), SOA, tcp=False))
    assert reply.rcode() == dns.rcode.NXDOMAIN
    assert reply.authority[0].to_text().startswith("cluster.local. 5 IN SOA")


def test_the_question_is_repeated_letter_by_letter() -> None:
    question = ask("WeB.eXaMpLe.")
    few = Answer("NOERROR", (Record("web.example", "A", "10.0.0.1"),))
    wire = encode(parse(question.to_wire()), few, SOA, tcp=False)
    assert b"\3WeB\7eXaMpLe\0" in wire
    assert b"\3web" not in wire  # the answer's name points to the question's
    kept = found(
        dns.message.from_wire(encode(parse(ask("web.example.").to_wire()), few, SOA, tcp=False)),
        0.0,
    )
    assert b"\3WeB\7eXaMpLe\0" in relay(parse(question.to_wire()), kept, tcp=False)


@pytest.mark.parametrize(
    ("payload", "limit"), [(0, 512), (100, 512), (512, 512), (1000, 1000), (65535, 1232)]
)
def test_how_long_an_answer_may_be(payload: int, limit: int) -> None:
    query = parse(ask(use_edns=0, payload=payload).to_wire())
    assert size_limit(query, tcp=False) == limit
    assert size_limit(query, tcp=True) == 65535


def test_unknown_options_are_passed_over_and_edns_is_answered_with_edns() -> None:
    options = [dns.edns.GenericOption(65001, b"x"), dns.edns.GenericOption(10, b"12345678")]
    query = parse(ask(use_edns=0, payload=4096, options=options).to_wire())
    reply = dns.message.from_wire(encode(query, FEW, SOA, tcp=False))
    assert (reply.edns, reply.payload, reply.options) == (0, 1232, ())
    plain = dns.message.from_wire(encode(parse(ask().to_wire()), FEW, SOA, tcp=False))
    assert plain.edns == -1


def test_upstreams_word_on_signatures_is_for_who_asked() -> None:
    answer = dns.message.make_response(ask())
    answer.flags |= dns.flags.AD
    kept = found(answer, 0.0)
    for question, authentic in ((ask(), False), (ask(want_dnssec=True), True)):
        reply = dns.message.from_wire(relay(parse(question.to_wire()), kept, tcp=False))
        assert bool(reply.flags & dns.flags.AD) is authentic
        assert not reply.flags & dns.flags.AA
        assert reply.flags & dns.flags.RA
