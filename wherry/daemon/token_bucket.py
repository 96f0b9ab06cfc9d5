"""A token bucket: so much a second, and a few at once after a rest. Time is passed in.

Source: golang.org/x/time/rate and k8s.io/client-go/util/flowcontrol, as upstream limits rates.
"""

from __future__ import annotations


class TokenBucket:
    """Full at the start. `per_second` may be 0 where tokens never come back."""

    __slots__ = ("_at", "_burst", "_per_second", "_tokens")

    def __init__(self, per_second: float, burst: float, now: float = 0.0) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._tokens = self._burst
        self._at = now

    def take(self, now: float) -> bool:
        """Take a token if there is one."""
        self._fill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def borrow(self, now: float) -> float:
        """Take a token that may be yet to come; in how many seconds it will be there."""
        self._fill(now)
        self._tokens -= 1
        return max(0.0, -self._tokens / self._per_second)

    def _fill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
        self._at = now
