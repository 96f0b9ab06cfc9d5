"""Cron schedules: five fields, or a name such as `@hourly`, or `@every 1h30m`. Pure.

`parse` refuses in upstream's words; `Schedule.matches` answers for a wall-clock minute.

Source: github.com/robfig/cron's standard parser, which upstream validates with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class _Bounds(NamedTuple):
    low: int
    high: int
    names: Mapping[str, int]


_FIELDS: Final = (
    _Bounds(0, 59, {}),
    _Bounds(0, 23, {}),
    _Bounds(1, 31, {}),
    _Bounds(1, 12, {name: index + 1 for index, name in enumerate(_MONTHS)}),
    _Bounds(0, 6, {name: index for index, name in enumerate(_DAYS)}),
)
_DESCRIPTORS: Final[Mapping[str, str]] = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY: Final = "@every "
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h)")
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_INT = re.compile(r"[+-]?\d+")


class Schedule(NamedTuple):
    """When to run: the minutes that match all fields, or every so many seconds.

    Upstream's rule of days: when both day fields are restricted, either may match.
    """

    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    any_day: bool = False
    any_weekday: bool = False
    every_seconds: int = 0

    def matches(self, moment: datetime) -> bool:
        """Whether a minute of the wall clock is one to run at (not for `@every`)."""
        return (
            moment.minute in self.minutes
            and moment.hour in self.hours
            and moment.month in self.months
            and self.matches_day(moment)
        )

    def matches_day(self, moment: datetime) -> bool:
        by_date = moment.day in self.days
        by_weekday = moment.isoweekday() % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return by_date and by_weekday
        return by_date or by_weekday


def parse(text: str) -> Schedule:
    """A schedule; ValueError in upstream's words."""
    if not text:
        raise ValueError("empty spec string")
    spec = _without_zone(text)
    if spec.startswith("@"):
        return _descriptor(spec)
    fields = spec.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(
            f"expected exactly {len(_FIELDS)} fields, found {len(fields)}: [{' '.join(fields)}]"
        )
    values = [_field(field, bounds) for field, bounds in zip(fields, _FIELDS, strict=True)]
    minutes, hours, days, months, weekdays = (found for found, _ in values)
    return Schedule(minutes, hours, days, months, weekdays, values[2][1], values[4][1])


def _without_zone(text: str) -> str:
    if not text.startswith(("TZ=", "CRON_TZ=")):
        return text
    zone, space, rest = text.partition(" ")
    if not space:
        raise ValueError(f"provided bad location {zone.partition('=')[2]}: no schedule follows it")
    return rest.strip()


def _descriptor(spec: str) -> Schedule:
    if spec in _DESCRIPTORS:
        return parse(_DESCRIPTORS[spec])
    if not spec.startswith(_EVERY):
        raise ValueError(f"unrecognized descriptor: {spec}")
    text = spec[len(_EVERY) :]
    if not text or _DURATION.sub("", text.lstrip("+-")):
        raise ValueError(f'failed to parse duration {spec}: time: invalid duration "{text}"')
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return Schedule(every_seconds=max(1, int(seconds)))


def _field(field: str, bounds: _Bounds) -> tuple[frozenset[int], bool]:
    """The values of a comma-separated list of ranges, and whether a star stands in it."""
    found: set[int] = set()
    star = False
    for expression in (one for one in field.split(",") if one):
        values, starred = _range(expression, bounds)
        found |= values
        star |= starred
    return frozenset(found), star


def _range(expression: str, bounds: _Bounds) -> tuple[set[int], bool]:
    """`*`, `5`, `5-9`, `mon-fri`, each with `/step` or not."""
    parts = expression.split("/")
    ends = parts[0].split("-")
    star = ends[0] in ("*", "?")
    if star:
        start, end = bounds.low, bounds.high
    else:
        start = _number(ends[0], bounds.names)
        if len(ends) > 2:
            raise ValueError(f"too many hyphens: {expression}")
        end = _number(ends[1], bounds.names) if len(ends) == 2 else start
    step = 1
    if len(parts) == 2:
        step = _number(parts[1], {})
        star = star and step == 1
        if len(ends) == 1 and ends[0] not in ("*", "?"):
            end = bounds.high  # "N/step" means "N-max/step"
    elif len(parts) > 2:
        raise ValueError(f"too many slashes: {expression}")
    if start < bounds.low:
        raise ValueError(f"beginning of range ({start}) below minimum ({bounds.low}): {expression}")
    if end > bounds.high:
        raise ValueError(f"end of range ({end}) above maximum ({bounds.high}): {expression}")
    if start > end:
        raise ValueError(f"beginning of range ({start}) beyond end of range ({end}): {expression}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {expression}")
    return set(range(start, end + 1, step)), star


def _number(text: str, names: Mapping[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not _INT.fullmatch(text):
        raise ValueError(
            f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax'
        )
    value = int(text)
    if value < 0:
        raise ValueError(f"negative number ({value}) not allowed: {text}")
    return value
