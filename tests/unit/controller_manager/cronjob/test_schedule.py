"""Moments of schedules: in zones, across changes of clocks, after a long absence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller_manager.cronjob.schedule import Calendar


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "zone", "after", "expected"),
    [
        ("*/15 * * * *", None, "2026-11-21 12:00:00", "2026-11-21 12:15:00"),
        ("*/15 * * * *", None, "2026-11-21 12:14:59", "2026-11-21 12:15:00"),
        ("@hourly", None, "2026-12-31 23:00:00", "2027-01-01 00:00:00"),
        ("0 0 29 2 *", None, "2026-03-01 00:00:00", "2028-02-29 00:00:00"),
        ("30 9 * * mon-fri", None, "2026-11-21 12:00:00", "2026-11-23 09:30:00"),
        ("0 0 13 * fri", None, "2026-11-21 12:00:00", "2026-11-27 00:00:00"),
        ("0 9 * * *", "Europe/Berlin", "2026-07-01 00:00:00", "2026-07-01 07:00:00"),
        ("0 9 * * *", "Europe/Berlin", "2026-12-01 00:00:00", "2026-12-01 08:00:00"),
        ("TZ=Asia/Tokyo 0 9 * * *", None, "2026-12-01 00:00:00", "2026-12-02 00:00:00"),
        # The hour that summer time leaves out has no moments ...
        ("30 2 * * *", "Europe/Berlin", "2026-03-28 12:00:00", "2026-03-30 00:30:00"),
        # ... and the hour that its end repeats has them twice.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24 12:00:00", "2026-10-25 00:30:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25 00:30:00", "2026-10-25 01:30:00"),
        ("30 2 * * *", "Australia/Lord_Howe", "2026-04-04 00:00:00", "2026-04-04 16:00:00"),
        ("@every 90s", None, "2026-11-21 12:00:00", "2026-11-21 12:01:30"),
    ],
)
def test_next(schedule, zone, after, expected):
    assert Calendar(schedule, zone).next_after(at(after), at(after)) == at(expected)


def test_a_day_that_never_comes():
    assert Calendar("0 0 30 2 *", None).next_after(at("2026-11-21"), at("2026-11-21")) is None


@pytest.mark.parametrize("zone", ["Nowhere/City", "", "../etc/passwd", "Local"])
def test_no_such_zone(zone):
    with pytest.raises(ValueError, match="unknown time zone"):
        Calendar("@hourly", zone)


@pytest.mark.parametrize(
    ("schedule", "after", "expected", "too_many"),
    [
        ("@hourly", "2026-11-21 11:00:00", "2026-11-21 12:00:00", False),
        ("@hourly", "2026-11-21 12:00:00", None, False),
        ("@daily", "2026-11-01 12:00:00", "2026-11-21 00:00:00", False),
        ("@yearly", "2020-11-01 12:00:00", "2026-01-01 00:00:00", False),
        ("* * * * *", "2025-11-21 12:00:00", "2026-11-21 12:30:00", True),
        ("@every 1m", "2026-11-21 12:29:30", "2026-11-21 12:30:30", False),
    ],
)
def test_latest(schedule, after, expected, too_many):
    now = at("2026-11-21 12:30:30")
    calendar = Calendar(schedule, None)
    found = calendar.latest(at(after), now, at(after))
    assert found == (None if expected is None else at(expected))
    assert calendar.missed_too_many(at(after), now, at(after)) is too_many


minutes = st.integers(0, 20_000_000)


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(["*/7 3 * * *", "0 */5 * * 1", "5 4 1 * *", "59 23 28-31 1,6 *", "0 0 1 1 *"]),
    st.sampled_from([None, "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
    minutes,
    st.integers(0, 3000),
)
def test_next_and_latest_agree(schedule, zone, start, length):
    calendar = Calendar(schedule, zone)
    after = at("2000-01-01") + timedelta(minutes=start)
    now = after + timedelta(hours=length)
    moments = []
    moment = calendar.next_after(after, after)
    while moment is not None and moment <= now:
        wall = moment.astimezone(calendar.zone)
        assert calendar._schedule.matches(wall)
        moments.append(moment)
        moment = calendar.next_after(moment, after)
    assert moments == sorted(set(moments))
    assert calendar.latest(after, now, after) == (moments[-1] if moments else None)
