"""Time as a collaborator: what decides by time is handed a clock.

`SystemClock` is the machine's. `FakeClock` stands still until a test advances it, and then wakes
exactly those sleepers whose moment has come.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What time it is, and how to wait."""

    def now(self) -> datetime:
        """The wall clock, in UTC: for what is written down."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards: for intervals."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class FakeClock:
    """A clock that moves only by `advance`."""

    def __init__(self, start: datetime = _EPOCH) -> None:
        self._now = start
        self._monotonic = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._monotonic + seconds, woken))
        await woken

    @property
    def sleepers(self) -> int:
        """How many are waiting: lets a test wait until the code under test sleeps."""
        self._sleepers = [(at, woken) for at, woken in self._sleepers if not woken.done()]
        return len(self._sleepers)

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock; intervals go on as they were."""
        self._now += timedelta(seconds=seconds)

    def advance(self, seconds: float) -> None:
        """Move on and wake whoever is due."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds
        for at, woken in self._sleepers:
            if at <= self._monotonic and not woken.done():
                woken.set_result(None)
        self._sleepers = [(at, woken) for at, woken in self._sleepers if not woken.done()]
