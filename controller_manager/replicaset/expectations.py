"""What a controller has asked for and not yet seen in its cache. Pure, time passed in.

Pods get random names, so a cache that lags would make a controller create them twice. Before it
acts it notes how many creations and which deletions it expects; until the watch has shown them all,
it does not act again. Expectations expire, for a watch may miss a pod that came and went.

Source: upstream's ControllerExpectations.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

EXPIRE_SECONDS = 300.0


@dataclass
class _Expected:
    since: float
    creations: int = 0
    deletions: set[str] = field(default_factory=set)


class Expectations:
    """Per key of a parent. Bounded by the number of parents: `forget` those that are gone."""

    def __init__(self) -> None:
        self._by_key: dict[str, _Expected] = {}

    def expect_creations(self, key: str, count: int, now: float) -> None:
        self._by_key[key] = _Expected(now, creations=count)

    def expect_deletions(self, key: str, uids: Iterable[str], now: float) -> None:
        self._by_key[key] = _Expected(now, deletions=set(uids))

    def created(self, key: str, count: int = 1) -> None:
        """A child was seen, or its creation failed."""
        expected = self._by_key.get(key)
        if expected is not None:
            expected.creations = max(0, expected.creations - count)

    def deleted(self, key: str, uid: str) -> None:
        """A child is seen to go, or its deletion failed."""
        expected = self._by_key.get(key)
        if expected is not None:
            expected.deletions.discard(uid)

    def fulfilled(self, key: str, now: float) -> bool:
        """May the parent act? True when all was seen, or waiting for it makes no sense any more."""
        expected = self._by_key.get(key)
        if expected is None or now - expected.since > EXPIRE_SECONDS:
            return True
        return expected.creations == 0 and not expected.deletions

    def clear(self) -> None:
        """Forget all parents: a new term of leading begins."""
        self._by_key.clear()

    def forget(self, key: str) -> None:
        self._by_key.pop(key, None)
