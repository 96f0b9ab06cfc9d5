"""The condition `Dangling`."""

from __future__ import annotations

from datetime import UTC, datetime

from apiserver.fairness.status import dangling

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def schema(*conditions: dict) -> dict:
    spec = {"priorityLevelConfiguration": {"name": "l"}}
    return {"metadata": {"name": "s"}, "spec": spec, "status": {"conditions": list(conditions)}}


def test_a_schema_is_told_whether_its_level_is_there():
    there = dangling(schema(), frozenset({"l"}), NOW)
    assert there is not None
    assert (there["status"], there["reason"]) == ("False", "Found")
    assert there["lastTransitionTime"] == "2026-05-01T00:00:00Z"
    gone = dangling(schema(there), frozenset(), NOW)
    assert gone is not None
    assert (gone["status"], gone["reason"]) == ("True", "NotFound")
    assert gone["message"].endswith('named "l" but there is no such object')


def test_what_is_right_is_left_alone():
    there = dangling(schema(), frozenset({"l"}), NOW)
    assert there is not None
    assert dangling(schema(there, {"type": "Other"}), frozenset({"l"}), NOW) is None
    later = datetime(2027, 1, 1, tzinfo=UTC)
    reworded = dangling(schema({**there, "message": "x"}), frozenset({"l"}), later)
    assert reworded is not None
    assert reworded["lastTransitionTime"] == there["lastTransitionTime"]
