"""DNS messages: questions out of bytes, answers into bytes. dnspython knows the format.

EDNS(0) is understood as far as the size of answers and the wish for signatures; options that we do not
know are passed over. What does not fit UDP is truncated, so that the client asks again by TCP. The
question is repeated letter by letter as it came: some clients check its case (0x20).

Source: RFC 1035, 6891 (EDNS), 5936 (zone transfers), 9619 (one question).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from nameserver.answer import TTL, Answer
from nameserver.cache import Asked, Found
from nameserver.zone import Record

UDP_BYTES_MAX: Final = 1232  # fits one packet on any path
UDP_BYTES_PLAIN: Final = 512  # without EDNS
TCP_BYTES_MAX: Final = 65_535
HEADER_BYTES: Final = 12
EDNS_VERSION: Final = 0
TRANSFERS: Final = (dns.rdatatype.AXFR, dns.rdatatype.IXFR)
FIRST_META: Final = 128  # types from here to 255 are no records but questions of other kinds


@dataclass(frozen=True, slots=True)
class Query:
    """One question. `message` is what a response is made from."""

    name: str
    kind: str
    message: dns.message.Message

    @property
    def asked(self) -> Asked:
        """The question as upstream is asked it."""
        return Asked(
            self.message.question[0].name.to_text().lower(),
            self.kind,
            bool(self.message.ednsflags & dns.flags.DO),
            bool(self.message.flags & dns.flags.CD),
        )


class BadQueryError(Exception):
    """Something to refuse; `reply` is the refusal's bytes, empty when silence is better."""

    def __init__(self, reply: bytes = b"") -> None:
        super().__init__("bad query")
        self.reply = reply


def parse(data: bytes) -> Query:
    """The question in a message; BadQueryError when there is none we answer."""
    if len(data) < HEADER_BYTES or data[2] & 0x80:  # too short, or itself an answer
        raise BadQueryError
    if data[2] >> 3 & 0xF != dns.opcode.QUERY:
        raise BadQueryError(_bare(data, dns.rcode.NOTIMP))
    try:
        message = dns.message.from_wire(data, ignore_trailing=True)
    except dns.exception.DNSException as error:
        raise BadQueryError(_bare(data, dns.rcode.FORMERR)) from error
    if len(message.question) != 1:
        raise BadQueryError(_bare(data, dns.rcode.FORMERR))
    if message.edns > EDNS_VERSION:
        raise BadQueryError(refusal(Query("", "", message), dns.rcode.BADVERS))
    [question] = message.question
    query = Query(
        question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype), message
    )
    if question.rdclass != dns.rdataclass.IN or question.rdtype in TRANSFERS:
        raise BadQueryError(refusal(query, dns.rcode.REFUSED))
    if FIRST_META <= question.rdtype < dns.rdatatype.ANY:
        raise BadQueryError(refusal(query, dns.rcode.NOTIMP))
    if question.rdtype == dns.rdatatype.OPT:
        raise BadQueryError(refusal(query, dns.rcode.FORMERR))
    return query


def _bare(data: bytes, code: dns.rcode.Rcode) -> bytes:
    """A refusal that echoes the header alone."""
    flags = bytes([0x80 | data[2] & 0x79, int(code)])
    return data[:2] + flags + bytes(8)


def _response(query: Query) -> dns.message.Message:
    response = dns.message.make_response(query.message, our_payload=UDP_BYTES_MAX)
    response.flags |= dns.flags.RA
    return response


def refusal(query: Query, code: dns.rcode.Rcode) -> bytes:
    """An answer that is only a code."""
    response = _response(query)
    response.set_rcode(code)
    return response.to_wire()


def server_failure(query: Query) -> bytes:
    return refusal(query, dns.rcode.SERVFAIL)


def encode(
    query: Query,
    answer: Answer,
    soa: Record,
    *,
    tcp: bool,
    turn: int = 0,
    chased: Found | None = None,
) -> bytes:
    """An answer's bytes.

    turn:   rotates records of one name, so that clients which take the first spread
    chased: upstream's answer about the alias's target
    """
    response = _response(query)
    response.flags |= dns.flags.AA
    response.set_rcode(dns.rcode.from_text(answer.code))
    response.answer = _rrsets(answer.records, turn)
    response.additional = _rrsets(answer.additional, 0)
    if answer.authority:
        response.authority = _rrsets([soa], 0)
    if chased is not None:
        response.set_rcode(chased.code)
        response.answer += chased.answer
        response.authority = list(chased.authority)
    return _fitted(response, size_limit(query, tcp=tcp))


def relay(query: Query, found: Found, *, tcp: bool) -> bytes:
    """Upstream's answer as bytes for this client, with the TTLs it came with."""
    response = _response(query)
    response.set_rcode(found.code)
    wants = query.message.flags & dns.flags.AD or query.message.ednsflags & dns.flags.DO
    if found.authentic and wants:
        response.flags |= dns.flags.AD
    response.answer = list(found.answer)
    response.authority = list(found.authority)
    response.additional = list(found.additional)
    return _fitted(response, size_limit(query, tcp=tcp))


def size_limit(query: Query, *, tcp: bool) -> int:
    """How long an answer to this question may be."""
    if tcp:
        return TCP_BYTES_MAX
    if query.message.edns < 0:
        return UDP_BYTES_PLAIN
    return min(max(query.message.payload, UDP_BYTES_PLAIN), UDP_BYTES_MAX)


def _fitted(response: dns.message.Message, limit: int) -> bytes:
    try:
        return response.to_wire(max_size=limit, want_shuffle=False)
    except dns.exception.TooBig:
        response.additional = []
    try:
        return response.to_wire(max_size=limit, want_shuffle=False)
    except dns.exception.TooBig:
        response.answer = []
        response.authority = []
        response.flags |= dns.flags.TC
        return response.to_wire(max_size=limit, want_shuffle=False)


def _rrsets(records: Iterable[Record], turn: int) -> list[dns.rrset.RRset]:
    grouped: dict[tuple[str, str], list[str]] = {}
    for record in records:
        grouped.setdefault((record.name, record.type), []).append(record.data)
    rrsets = []
    for (name, kind), data in grouped.items():
        first = turn % len(data)
        rotated = data[first:] + data[:first]
        rrsets.append(dns.rrset.from_text(f"{name}.", TTL, "IN", kind, *rotated))
    return rrsets
