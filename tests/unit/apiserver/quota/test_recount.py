"""Which quotas are counted anew, and what is corrected."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.quota.recount import PERIOD_SECONDS, QUIET_SECONDS, Seen, corrected, due


def quota(version: str, name: str = "q") -> dict[str, Any]:
    return {"metadata": {"namespace": "ns", "name": name, "resourceVersion": version}}


def look(version: str, seen: dict[Any, Seen], now: float) -> tuple[dict[Any, Seen], int]:
    noted, ready = due([quota(version)], seen, now)
    return noted, len(ready)


def test_only_a_quota_that_is_left_alone_is_counted() -> None:
    seen, ready = look("1", {}, 0.0)
    assert ready == 0, "it may be new, or this server"
    seen, ready = look("2", seen, QUIET_SECONDS)
    assert ready == 0, "somebody wrote it"
    seen, ready = look("2", seen, 2 * QUIET_SECONDS - 1)
    assert ready == 0
    seen, ready = look("2", seen, 2 * QUIET_SECONDS)
    assert ready == 1


def test_then_once_in_a_period() -> None:
    seen, _ = look("1", {}, 0.0)
    seen, ready = look("1", seen, QUIET_SECONDS)
    assert ready == 1
    seen, ready = look("1", seen, QUIET_SECONDS + PERIOD_SECONDS - 1)
    assert ready == 0
    seen, ready = look("1", seen, QUIET_SECONDS + PERIOD_SECONDS)
    assert ready == 1


def test_quotas_that_are_gone_are_forgotten() -> None:
    seen, _ = due([quota("1"), quota("1", "other")], {}, 0.0)
    seen, _ = due([quota("1")], seen, 1.0)
    assert list(seen) == [("ns", "q")]


@pytest.mark.parametrize(
    ("used", "counted", "expected"),
    [
        ({"pods": "3"}, {"pods": "2"}, {"pods": "2"}),
        ({"pods": "1"}, {"pods": "2"}, {"pods": "2"}),
        ({"cpu": "1000m"}, {"cpu": "1"}, None),
        ({}, {"pods": "0"}, {"pods": "0"}),
        ({"pods": "1", "cpu": "1"}, {"pods": "1"}, {"pods": "1"}),
        ({}, {}, None),
    ],
)
def test_corrected(used: Any, counted: Any, expected: Any) -> None:
    assert corrected(used, counted) == expected
