"""Which pod to place next, and when to try again one that did not fit. Pure, time passed in.

              put                 pop              done (bound)
    (new) ─────────► ACTIVE ────────────► FLYING ────────────► (gone)
                      ▲  ▲                 │   │
            back-off  │  │ happening,      │   │ fails (error)
            is over   │  │ back-off over   │   └──────────► BACKOFF
                    BACKOFF ◄──────── PARKED ◄─ does not fit
                             happening, or parked too long

A pod waits 1 s after its first failure, doubling to 10 s. Gated pods are parked until their gates
are gone. The bound of the queue is the number of pending pods.

Source: upstream's pkg/scheduler/backend/queue.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from scheduler.framework import Happening
from scheduler.state import PodInfo

BACKOFF_SECONDS_MIN = 1.0
BACKOFF_SECONDS_MAX = 10.0
PARKED_SECONDS_MAX = 300.0
FLUSH_SECONDS = 30.0  # how often pods that are parked too long are looked for


class Place(Enum):
    """Where a pending pod is."""

    ACTIVE = "active"
    BACKOFF = "backoff"
    PARKED = "unschedulable"
    GATED = "gated"
    FLYING = "in flight"


class Cause(Enum):
    """Why a pod comes to a place, as upstream's metric names it."""

    ADDED = "PodAdd"
    UPDATED = "PodUpdate"
    FAILED = "ScheduleAttemptFailure"
    WAITED = "BackoffComplete"
    TOO_LONG = "UnschedulableTimeout"


@dataclass(slots=True)
class Pending:
    """A pod in the queue. `first_at`: when it could be placed first. `ticket` tells a heap's live entry from a superseded one."""

    pod: PodInfo
    place: Place
    attempts: int = 0
    first_at: float = 0.0
    since: float = 0.0  # when it came to its place
    failed_at: float = 0.0
    refused_by: frozenset[str] = frozenset()
    ticket: int = 0

    @property
    def ready_at(self) -> float:
        """When its back-off is over."""
        if not self.attempts:
            return self.failed_at
        doubled = BACKOFF_SECONDS_MIN * (1 << min(self.attempts - 1, 10))
        return self.failed_at + min(doubled, BACKOFF_SECONDS_MAX)


class QueueCore:
    """All pending pods by key; each is in exactly one place.

    incoming: how many came to a place, by cause
    """

    def __init__(self, helped_by: Mapping[str, frozenset[Happening]]) -> None:
        self._helped_by = helped_by
        self._pods: dict[str, Pending] = {}
        self._parked: dict[str, Pending] = {}  # those of `_pods` that are PARKED
        self._active: list[tuple[int, float, int, str]] = []
        self._backoff: list[tuple[float, int, str]] = []
        self._tickets = 0
        self._flushed_at = 0.0
        self.incoming: Counter[tuple[Place, Cause | Happening]] = Counter()

    def __contains__(self, key: str) -> bool:
        return key in self._pods

    def get(self, key: str) -> Pending | None:
        return self._pods.get(key)

    def counts(self) -> dict[Place, int]:
        found = dict.fromkeys(Place, 0)
        for pending in self._pods.values():
            found[pending.place] += 1
        return found

    def put(self, pod: PodInfo, now: float) -> None:
        """A pod is new, or its spec or labels changed."""
        pending = self._pods.get(pod.key)
        if pending is None or pending.pod.uid != pod.uid:
            self.remove(pod.key)
            pending = self._pods[pod.key] = Pending(
                pod, Place.GATED, first_at=now, failed_at=now, since=now
            )
            if pod.gates:
                self.incoming[Place.GATED, Cause.ADDED] += 1
            else:
                self._activate(pending, now, Cause.ADDED)
            return
        changed = pending.pod != pod
        pending.pod = pod
        if pending.place is Place.FLYING or not changed:
            return
        if pod.gates:
            self._move(pending, Place.GATED, now, Cause.UPDATED)
        elif pending.place in (Place.GATED, Place.ACTIVE):
            if pending.place is Place.GATED:
                pending.first_at = now
            self._activate(pending, now, Cause.UPDATED)
        elif pending.place is Place.PARKED:
            self._retry(pending, now, Cause.UPDATED)

    def remove(self, key: str) -> None:
        self._pods.pop(key, None)
        self._parked.pop(key, None)

    def pop(self, now: float) -> Pending | None:
        """The most important pod, then the one that waits longest; now in flight."""
        while self._active:
            _, _, ticket, key = heapq.heappop(self._active)
            pending = self._pods.get(key)
            if pending is not None and pending.ticket == ticket:
                pending.attempts += 1
                self._move(pending, Place.FLYING, now, None)
                return pending
        return None

    def done(self, key: str) -> None:
        """The pod in flight is bound."""
        pending = self._pods.get(key)
        if pending is not None and pending.place is Place.FLYING:
            del self._pods[key]

    def did_not_fit(self, key: str, refused_by: frozenset[str], now: float) -> None:
        """Park the pod in flight until something happens that may help."""
        pending = self._pods.get(key)
        if pending is not None and pending.place is Place.FLYING:
            pending.failed_at = now
            pending.refused_by = refused_by
            place = Place.GATED if pending.pod.gates else Place.PARKED
            self._move(pending, place, now, Cause.FAILED)

    def failed(self, key: str, now: float) -> None:
        """Something went wrong with the pod in flight: try again after its back-off."""
        pending = self._pods.get(key)
        if pending is not None and pending.place is Place.FLYING:
            pending.failed_at = now
            self._retry(pending, now, Cause.FAILED)

    def happened(self, happenings: frozenset[Happening], now: float) -> None:
        """Try again the parked pods that any of this may help."""
        if not happenings:
            return
        for pending in [*self._parked.values()]:
            if self._may_help(pending, happenings):
                self._retry(pending, now, min(happenings, key=lambda one: one.value))

    def tick(self, now: float) -> None:
        """Let back-offs end, and try again what was parked for too long."""
        while self._backoff and self._backoff[0][0] <= now:
            _, ticket, key = heapq.heappop(self._backoff)
            pending = self._pods.get(key)
            if pending is not None and pending.ticket == ticket:
                self._activate(pending, now, Cause.WAITED)
        if now - self._flushed_at >= FLUSH_SECONDS:
            self._flushed_at = now
            for pending in [*self._parked.values()]:
                if now - pending.since >= PARKED_SECONDS_MAX:
                    self._retry(pending, now, Cause.TOO_LONG)

    def next_moment(self, now: float) -> float:
        """When `tick` has something to do, at the latest."""
        flush = max(now, self._flushed_at + FLUSH_SECONDS)
        return min(flush, self._backoff[0][0]) if self._backoff else flush

    @property
    def idle(self) -> bool:
        """Whether `pop` would find nothing (but perhaps superseded entries)."""
        return not self._active

    def _may_help(self, pending: Pending, happenings: frozenset[Happening]) -> bool:
        if not pending.refused_by:
            return True  # nobody in particular refused it: there were no nodes at all
        return any(
            self._helped_by.get(plugin, happenings) & happenings for plugin in pending.refused_by
        )

    def _retry(self, pending: Pending, now: float, cause: Cause | Happening) -> None:
        if pending.ready_at <= now:
            self._activate(pending, now, cause)
        else:
            self._move(pending, Place.BACKOFF, now, cause)
            heapq.heappush(self._backoff, (pending.ready_at, pending.ticket, pending.pod.key))

    def _activate(self, pending: Pending, now: float, cause: Cause | Happening) -> None:
        self._move(pending, Place.ACTIVE, now, cause)
        pod = pending.pod
        heapq.heappush(self._active, (-pod.priority, now, pending.ticket, pod.key))

    def _move(
        self, pending: Pending, place: Place, now: float, cause: Cause | Happening | None
    ) -> None:
        self._tickets += 1
        pending.ticket = self._tickets
        if place is Place.PARKED:
            self._parked[pending.pod.key] = pending
        elif pending.place is Place.PARKED:
            self._parked.pop(pending.pod.key, None)
        if cause is not None:
            self.incoming[place, cause] += 1
        pending.place = place
        pending.since = now
