"""The moments of a schedule: the next one, the latest one, how many were missed. Pure.

Time is walked through as it passes, and the wall clock of the zone is asked at each step. So an hour
that a change of clocks leaves out has no moments, and one that it repeats has them twice, as with
upstream's library.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from wherry.api import cron

HORIZON = timedelta(days=5 * 366)  # a schedule without a moment in five years has none
MINUTE = timedelta(minutes=1)
MISSED_MAX = 100

# How far back the latest moment is looked for, ever further.
_LOOKS_BACK = (
    timedelta(hours=1),
    timedelta(days=1),
    timedelta(days=32),
    timedelta(days=366),
    HORIZON,
)


class Calendar:
    """A schedule in a time zone. ValueError when either can't be understood."""

    def __init__(self, text: str, zone: str | None) -> None:
        self._schedule = cron.parse(text)
        if text.startswith(("TZ=", "CRON_TZ=")):
            zone = text.partition(" ")[0].partition("=")[2]
        self.zone: tzinfo = zone_of(zone)

    def next_after(self, moment: datetime, base: datetime) -> datetime | None:
        """The first moment after `moment`; `base` is what `@every` counts from."""
        every = self._schedule.every_seconds
        if every:
            past = max(0, int((moment - base).total_seconds() // every))
            return base + timedelta(seconds=every * (past + 1))
        now = moment.astimezone(UTC).replace(second=0, microsecond=0) + MINUTE
        end = now + HORIZON
        while now < end:
            wall = now.astimezone(self.zone)
            step = self._skip(wall, now)
            if step is None:
                return now
            now += step
        return None

    def _skip(self, wall: datetime, now: datetime) -> timedelta | None:
        """How long there can be no moment from here on; None when this is one."""
        schedule = self._schedule
        if wall.month not in schedule.months or not schedule.matches_day(wall):
            tomorrow = wall.date() + timedelta(days=1)
            midnight = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=self.zone)
            return max(midnight.astimezone(UTC) - now, MINUTE)
        if wall.hour not in schedule.hours:
            return timedelta(minutes=60 - wall.minute)
        return None if wall.minute in schedule.minutes else MINUTE

    def latest(self, after: datetime, now: datetime, base: datetime) -> datetime | None:
        """The last moment in (after, now]; None when there is none."""
        every = self._schedule.every_seconds
        if every:
            count = int((now - base).total_seconds() // every)
            found = base + timedelta(seconds=every * count)
            return found if count > 0 and found > after else None
        for back in _LOOKS_BACK:
            start = max(after, now - back)
            latest: datetime | None = None
            moment = self.next_after(start, base)
            while moment is not None and moment <= now:
                latest, moment = moment, self.next_after(moment, base)
            if latest is not None or start == after:
                return latest
        return None

    def missed_too_many(self, after: datetime, now: datetime, base: datetime) -> bool:
        """Are there more than a hundred moments in (after, now]?"""
        moment = self.next_after(after, base)
        for _ in range(MISSED_MAX):
            if moment is None or moment > now:
                return False
            moment = self.next_after(moment, base)
        return moment is not None and moment <= now


def zone_of(name: str | None) -> tzinfo:
    """The zone; UTC when none is named. ValueError when there is no such zone."""
    if name is None:
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"unknown time zone {name}") from error
