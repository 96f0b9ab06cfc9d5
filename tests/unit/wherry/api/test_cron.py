"""Schedules: what they match, and how bad ones are refused."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from wherry.api import cron


@pytest.mark.parametrize(
    ("text", "moment", "expected"),
    [
        ("*/5 * * * *", "2026-01-01T00:10", True),
        ("*/5 * * * *", "2026-01-01T00:11", False),
        ("0 9-17 * * mon-fri", "2026-01-02T09:00", True),  # a Friday
        ("0 9-17 * * mon-fri", "2026-01-03T09:00", False),
        ("0 0 13 * 5", "2026-01-02T00:00", True),  # a Friday: either day field may match
        ("0 0 13 * 5", "2026-01-13T00:00", True),
        ("0 0 13 * *", "2026-01-02T00:00", False),
        ("0 0 1 jan,Jul ?", "2026-07-01T00:00", True),
        ("10/20 0 * * *", "2026-01-01T00:50", True),
        ("@hourly", "2026-01-01T05:00", True),
        ("@yearly", "2026-01-01T00:00", True),
        ("@weekly", "2026-01-04T00:00", True),
        ("TZ=Etc/UTC 0 0 * * *", "2026-01-04T00:00", True),
    ],
)
def test_what_a_schedule_matches(text: str, moment: str, expected: bool) -> None:
    assert cron.parse(text).matches(datetime.fromisoformat(moment)) is expected


def test_every() -> None:
    assert cron.parse("@every 1h30m").every_seconds == 5400


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-2 * * * *", "beginning of range (5) beyond end of range (2): 5-2"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("*/2/3 * * * *", "too many slashes: */2/3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("@never", "unrecognized descriptor: @never"),
        ("@every soon", 'failed to parse duration @every soon: time: invalid duration "soon"'),
    ],
)
def test_refusals(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        cron.parse(text)
