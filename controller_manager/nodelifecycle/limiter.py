"""A token bucket of one token, time passed in: so many nodes a second, never two at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Limiter:
    """rate: tokens a second (0 = none, ever). ready_at: when the next token is there."""

    rate: float
    ready_at: float = 0.0

    def take(self, now: float) -> bool:
        """Use the token if it is there."""
        if self.rate <= 0 or now < self.ready_at:
            return False
        self.ready_at = now + 1 / self.rate
        return True

    def set_rate(self, rate: float, now: float) -> None:
        """A changed rate counts from now on."""
        if rate == self.rate:
            return
        self.rate = rate
        self.ready_at = now + 1 / rate if rate > 0 else now
