"""How long to wait before the next attempt: growing, bounded, spread by chance. Pure."""

from __future__ import annotations

import random
from typing import Protocol


class Uniform(Protocol):
    """The one thing asked of a source of chance."""

    def random(self) -> float: ...


class Backoff:
    """Delays that start at `initial`, grow by `factor` and never pass `maximum` (seconds).

    `jitter` stretches each delay by up to that share, so that clients which failed together do not
    come back together.
    """

    def __init__(
        self,
        initial: float = 0.1,
        factor: float = 2.0,
        maximum: float = 30.0,
        jitter: float = 0.1,
        chance: Uniform | None = None,
    ) -> None:
        self._initial = initial
        self._factor = factor
        self._maximum = maximum
        self._jitter = jitter
        self._chance: Uniform = chance or random
        self._next = initial

    def next(self) -> float:
        """The delay to wait now; the following one is longer."""
        delay = min(self._next, self._maximum)
        self._next = min(self._next * self._factor, self._maximum)
        return delay * (1 + self._jitter * self._chance.random())

    def reset(self) -> None:
        """It worked: begin small again."""
        self._next = self._initial
