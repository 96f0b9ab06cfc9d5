"""events.k8s.io/v1: the same events in other words, and the rules for new ones."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.codec.decode import decode_tree
from apiserver.handlers.views import in_words_of
from apiserver.registry.events.event import NewEvent
from wherry.api import core_v1, events_v1
from wherry.api.errors import invalid, invalid_object, not_found

Tree = dict[str, Any]
VIEW = NewEvent()

STORED: Tree = {
    "kind": "Event",
    "apiVersion": "v1",
    "metadata": {"name": "e", "namespace": "default"},
    "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
    "reason": "R",
    "message": "m",
    "source": {"component": "c"},
    "firstTimestamp": None,
    "lastTimestamp": "2026-01-01T00:00:00Z",
    "count": 2,
    "type": "Normal",
    "eventTime": None,
    "reportingComponent": "",
    "reportingInstance": "",
}
NEW: Tree = {
    "metadata": {"name": "e", "namespace": "default"},
    "involvedObject": {"kind": "Pod"},
    "eventTime": "2026-01-01T00:00:00.000000Z",
    "type": "Normal",
    "source": {},
}


def test_words() -> None:
    served = VIEW.from_stored(dict(STORED))
    assert served["apiVersion"] == "events.k8s.io/v1"
    assert served["regarding"] == STORED["involvedObject"]
    assert served["note"] == "m"
    assert served["deprecatedSource"] == {"component": "c"}
    assert served["deprecatedCount"] == 2
    assert "reportingController" not in served
    assert served == decode_tree(events_v1.Event, dict(served), "Strict").tree


def test_there_and_back() -> None:
    served = VIEW.from_stored(dict(STORED))
    back = decode_tree(core_v1.Event, VIEW.to_stored(served), "Strict").tree
    assert back == STORED


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({}, []),
        ({"eventTime": None}, ["eventTime"]),
        ({"type": "Odd"}, ["type"]),
        ({"count": 1}, ["count"]),
        ({"source": {"host": "h"}}, ["source"]),
        ({"series": {"count": 1}}, ["series.count", "series.lastObservedTime"]),
    ],
)
def test_new_events(change: Tree, fields: list[str]) -> None:
    assert [error.field for error in VIEW.check({**NEW, **change}, None)] == fields


def test_only_the_series_changes() -> None:
    series = {"count": 2, "lastObservedTime": "2026-01-01T00:00:00.000000Z"}
    assert VIEW.check({**NEW, "series": series}, NEW) == []
    errors = VIEW.check({**NEW, "reason": "other", "reportingComponent": "c"}, NEW)
    assert [error.field for error in errors] == ["reason", "reportingController"]


def test_errors_name_what_the_client_asked_for() -> None:
    missing = in_words_of(VIEW, not_found("events", "none"))
    assert missing.message == 'events.events.k8s.io "none" not found'
    assert missing.status["details"] == {
        "name": "none",
        "group": "events.k8s.io",
        "kind": "events",
    }
    wrong = in_words_of(VIEW, invalid_object("", "Event", "e", [invalid("type", "", "no")]))
    assert wrong.message.startswith('Event.events.k8s.io "e" is invalid')
    other = not_found("namespaces", "n")
    assert in_words_of(VIEW, other) is other
