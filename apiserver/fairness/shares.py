"""How many seats each priority level has: nominally, and after lending and borrowing. Pure.

Source: k8s.io/apiserver/pkg/util/flowcontrol (updateBorrowingLocked, computeConcurrencyAllocation).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SMOOTHING = 0.977  # of what a level wanted, from one look to the next
_HALVINGS = 60
_FORGOTTEN = 0.01  # seats: a demand of long ago


@dataclass(frozen=True, slots=True)
class Level:
    """A PriorityLevelConfiguration's numbers. `borrowing_percent` None = no limit."""

    name: str
    exempt: bool
    shares: int
    lendable_percent: int = 0
    borrowing_percent: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """A level's seats: nominal, the least it keeps, the most it may get."""

    nominal: int
    lower: int
    upper: int


def nominal_limits(levels: Sequence[Level], total: int) -> dict[str, Limits]:
    """Seats by shares, rounded up; exempt levels are never limited, but may lend."""
    shares = sum(level.shares for level in levels)
    nominal = {
        level.name: math.ceil(total * level.shares / shares) if shares else 0 for level in levels
    }
    lendable = {
        level.name: round(nominal[level.name] * level.lendable_percent / 100) for level in levels
    }
    whole = sum(lendable.values())
    found = {}
    for level in levels:
        mine, lent = nominal[level.name], lendable[level.name]
        borrowed = whole
        if level.borrowing_percent is not None:
            borrowed = round(mine * level.borrowing_percent / 100)
        found[level.name] = Limits(mine, mine - lent, mine + borrowed)
    return found


class Demand:
    """How many seats a level wanted over a while: sampled whenever that changes."""

    __slots__ = ("_area", "_at", "_since", "_squares", "_value", "high", "smooth")

    def __init__(self, now: float) -> None:
        self._value = 0
        self._at = self._since = now
        self._area = self._squares = 0.0
        self.high = 0
        self.smooth = 0.0

    def set(self, now: float, value: int) -> None:
        """It wants so many from now on."""
        passed, before = now - self._at, self._value
        self._area += before * passed
        self._squares += before * before * passed
        self._at, self._value = now, value
        if value > self.high:
            self.high = value

    def look(self, now: float) -> tuple[int, float, float]:
        """High watermark, mean and deviation since the last look; `smooth` follows them."""
        self.set(now, self._value)
        passed = now - self._since
        mean = self._area / passed if passed else float(self._value)
        spread = math.sqrt(max(0.0, self._squares / passed - mean * mean)) if passed else 0.0
        high = self.high
        envelope = mean + spread
        self.smooth = max(envelope, SMOOTHING * self.smooth + (1 - SMOOTHING) * envelope)
        if self.smooth < _FORGOTTEN:
            self.smooth = 0.0
        self._since, self._area, self._squares, self.high = now, 0.0, 0.0, self._value
        return high, mean, spread


def current_limits(
    limits: Mapping[str, Limits], wanted: Mapping[str, tuple[int, float]], total: int
) -> dict[str, int]:
    """Seats after borrowing. `wanted`: high watermark and smoothed demand of each limited level.

    A level keeps what it may not lend, and gets back what it lent as soon as it wants it; beyond that
    all are given the same fraction of what they want, within their bounds.
    """
    lower, target = {}, {}
    for name, limit in limits.items():
        high, smooth = wanted.get(name, (0, 0.0))
        lower[name] = float(max(limit.lower, min(limit.nominal, high)))
        target[name] = max(lower[name], smooth, 1e-3)
    fraction = _fair_fraction(limits, lower, target, total)
    return {name: max(1, round(_clamped(name, fraction, limits, lower, target))) for name in limits}


def _clamped(
    name: str,
    fraction: float,
    limits: Mapping[str, Limits],
    lower: Mapping[str, float],
    target: Mapping[str, float],
) -> float:
    return min(max(lower[name], target[name] * fraction), max(limits[name].upper, lower[name]))


def _fair_fraction(
    limits: Mapping[str, Limits],
    lower: Mapping[str, float],
    target: Mapping[str, float],
    total: int,
) -> float:
    """The fraction at which the levels' seats add up to the total (or all have their most)."""
    low, high = 0.0, 1.0
    most = sum(max(limits[name].upper, lower[name]) for name in limits)
    goal = min(total, most)

    def given(fraction: float) -> float:
        return sum(_clamped(name, fraction, limits, lower, target) for name in limits)

    if given(low) >= goal:
        return low
    while given(high) < goal - 1e-6 and high < 1e9:
        high *= 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if given(middle) < goal else (low, middle)
    return high
