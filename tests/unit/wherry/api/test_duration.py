"""Durations as `kubectl get` shows them."""

from __future__ import annotations

import pytest

from wherry.api.duration import DAY, HOUR, MINUTE, YEAR, human_duration


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-2, "<invalid>"), (-1, "0s"), (0, "0s"), (1.9, "1s"), (119, "119s"), (2 * MINUTE, "2m"),
        (5 * MINUTE + 30, "5m30s"), (10 * MINUTE, "10m"), (2 * HOUR, "120m"), (3 * HOUR, "3h"),
        (3 * HOUR + 12 * MINUTE, "3h12m"), (8 * HOUR + 59 * MINUTE, "8h"), (47 * HOUR, "47h"),
        (2 * DAY, "2d"), (3 * DAY + 4 * HOUR, "3d4h"), (8 * DAY + 1, "8d"), (700 * DAY, "700d"),
        (2 * YEAR, "2y"), (2 * YEAR + DAY, "2y1d"), (9 * YEAR, "9y"),
    ],
)  # fmt: skip
def test_human_duration(seconds: float, expected: str) -> None:
    assert human_duration(seconds) == expected
