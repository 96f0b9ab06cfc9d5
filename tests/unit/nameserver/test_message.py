"""Bytes in, bytes out."""

from __future__ import annotations

import contextlib

import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nameserver.answer import Answer
from nameserver.message import BadQueryError, encode, parse
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


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (broken(lambda m: m.set_opcode(4)), dns.rcode.NOTIMP),
        (broken(lambda m: m.question.clear()), dns.rcode.FORMERR),
        (ask().to_wire()[:15], dns.rcode.FORMERR),
        (broken(lambda m: m.use_edns(edns=1)), dns.rcode.BADVERS),
        (dns.message.make_query("a.", "A", rdclass="CH").to_wire(), dns.rcode.REFUSED),
    ],
    ids=["opcode", "no-question", "cut", "edns-1", "chaos"],
)
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
