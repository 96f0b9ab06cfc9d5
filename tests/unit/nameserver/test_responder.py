"""Answers as bytes: cached, bounded, forgotten."""

from __future__ import annotations

import dns.message
import pytest
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
    zone.replace(("d", "web"), [Record("web.cluster.local", "A", "10.0.0.2")])
    assert responder.at_once(ask("web.cluster.local."), tcp=False) == before
    responder.forget()
    assert responder.at_once(ask("web.cluster.local."), tcp=False) != before


def test_other_names_need_time(responder: Responder) -> None:
    assert responder.at_once(ask("example.com."), tcp=False) is None


def test_the_cache_is_bounded(responder: Responder, monkeypatch) -> None:
    monkeypatch.setattr(module, "CACHED_MAX", 3)
    for number in range(10):
        assert responder.at_once(ask(f"n{number}.cluster.local."), tcp=False)
        assert len(responder._cache[False]) <= 3
