"""Answers as bytes: cached, bounded, forgotten."""

from __future__ import annotations

import dns.message
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from nameserver import responder as module
from nameserver.forward import Forwarder
from nameserver.responder import Responder
from nameserver.zone import Record, Zone


@pytest.fixture
def zone() -> Zone:
    zone = Zone("cluster.local")
    zone.replace(("d", "web"), [Record("web.cluster.local", "A", "10.0.0.1")])
    return zone


@pytest.fixture
def responder(zone: Zone) -> Responder:
    return Responder(zone, Forwarder([]), lambda: True, CollectorRegistry())


def ask(name: str, number: int = 7) -> bytes:
    return dns.message.make_query(name, "A", id=number).to_wire()


def test_equal_questions_get_equal_answers_with_their_own_id(responder: Responder) -> None:
    first = responder.at_once(ask("web.cluster.local.", 1), tcp=False)
    second = responder.at_once(ask("web.cluster.local.", 2), tcp=False)
    assert first is not None
    assert second is not None
    assert (first[:2], second[:2]) == (b"\0\1", b"\0\2")
    assert first[2:] == second[2:]


def test_a_changed_zone_needs_new_answers(zone: Zone, responder: Responder) -> None:
    before = responder.at_once(ask("web.cluster.local."), tcp=False)
    changed = zone.replace(("d", "web"), [Record("web.cluster.local", "A", "10.0.0.2")])
    assert responder.at_once(ask("web.cluster.local."), tcp=False) == before
    responder.forget(changed)
    assert responder.at_once(ask("web.cluster.local."), tcp=False) != before


def test_other_names_need_time(responder: Responder) -> None:
    assert responder.at_once(ask("example.com."), tcp=False) is None


def test_the_cache_is_bounded(responder: Responder, monkeypatch) -> None:
    monkeypatch.setattr(module, "CACHED_MAX", 3)
    for number in range(10):
        assert responder.at_once(ask(f"n{number}.cluster.local."), tcp=False)
        assert len(responder._cache[False]) <= 3


def answered(responder: Responder, name: str, kind: str = "A") -> tuple[int, list[str]]:
    """Code and data of all records of a reply."""
    reply = responder.at_once(dns.message.make_query(name, kind).to_wire(), tcp=False)
    assert reply
    message = dns.message.from_wire(reply)
    sections = (*message.answer, *message.additional)
    return int(message.rcode()), [one.to_text() for rrset in sections for one in rrset]


def test_what_has_not_changed_is_not_forgotten(zone: Zone, responder: Responder) -> None:
    zone.replace(("d", "db"), [Record("db.cluster.local", "A", "10.0.0.9")])
    for name in ("web.cluster.local.", "db.cluster.local."):
        responder.at_once(ask(name), tcp=False)
    assert len(responder._cache[False]) == 2
    responder.forget(zone.replace(("d", "db"), ()))
    assert len(responder._cache[False]) == 1


NAMES = ("web", "a.web", "b", "alias", "c.d.e")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["one", "two"]),
            st.lists(
                st.one_of(
                    st.builds(
                        lambda name, n: Record(f"{name}.cluster.local", "A", f"10.0.0.{n}"),
                        st.sampled_from(NAMES), st.integers(1, 3),
                    ),
                    st.builds(
                        lambda name, to: Record(f"{name}.cluster.local", "SRV", f"0 1 2 {to}.cluster.local."),
                        st.sampled_from(NAMES), st.sampled_from(NAMES),
                    ),
                    st.builds(
                        lambda to: Record("alias.cluster.local", "CNAME", f"{to}.cluster.local."),
                        st.sampled_from(NAMES),
                    ),
                ),
                max_size=4, unique=True,
            ),
        ),
        max_size=5,
    )
)  # fmt: skip
@settings(max_examples=30)  # each asks some hundred questions
def test_cached_answers_are_those_of_a_server_without_a_cache(steps) -> None:
    zone = Zone("cluster.local")
    cached = Responder(zone, Forwarder([]), lambda: True, CollectorRegistry())
    questions = [(f"{n}.cluster.local.", k) for n in (*NAMES, "d.e", "none") for k in ("A", "SRV")]
    for service, records in steps:
        for name, kind in questions:
            answered(cached, name, kind)
        cached.forget(zone.replace(("d", service), records))
        fresh = Responder(zone, Forwarder([]), lambda: True, CollectorRegistry())
        for name, kind in questions:
            code, data = answered(cached, name, kind)
            assert (code, sorted(data)) == (lambda c, d: (c, sorted(d)))(
                *answered(fresh, name, kind)
            )
