"""What component statuses say of an answer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from apiserver.subresources.components import (
    ComponentStatusStrategy,
    Health,
    read_health,
    status_of,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("answer", "health"),
    [
        (b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nok\n", Health(True, "ok")),
        (b"HTTP/1.1 500 Oh\r\n\r\nbroken", Health(False, "broken")),
        (b"HTTP/1.1 503 Oh\r\n\r\n", Health(False, "HTTP probe failed with statuscode: 503")),
        (b"", Health(False, "HTTP probe failed with statuscode: 0")),
    ],
)
def test_answers(answer: bytes, health: Health) -> None:
    assert read_health(answer) == health


def test_rows() -> None:
    strategy = ComponentStatusStrategy()
    good = status_of("etcd-0", Health(True, "ok"))
    assert tuple(strategy.row(good, NOW)) == ("etcd-0", "Healthy", "ok", "")
    bad = status_of("scheduler", Health(False, "refused"))
    assert tuple(strategy.row(bad, NOW)) == ("scheduler", "Unhealthy", "refused", "")
    silent = {"metadata": {"name": "x"}, "conditions": []}
    assert tuple(strategy.row(silent, NOW)) == ("x", "Unknown", "", "")
