"""A queue of keys that need work: each at most once in line, never worked twice at the same time.

Promises: a key added while it is worked is worked again afterwards (no lost wake-up); two workers
never hold the same key; a key that fails comes back after a growing delay. Promises no order
between keys. The bound of the queue is the number of distinct keys, that is of objects.

`QueueCore` is the whole logic, pure, with time passed in; `WorkQueue` adds waiting and a timer.
Source: k8s.io/client-go/util/workqueue.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)

RETRY_SECONDS_MIN = 0.005
RETRY_SECONDS_MAX = 1000.0
_EXPONENT_MAX = 40  # beyond it every delay is RETRY_SECONDS_MAX, and floats stay finite


class Meter(Protocol):
    """Follows what happens to the keys of a queue."""

    def added(self, key: Hashable) -> None: ...
    def taken(self, key: Hashable) -> None: ...
    def done(self, key: Hashable) -> None: ...


class QueueCore(Generic[K]):
    """The state of the queue.

    dirty:      keys that need work
    processing: keys that a worker holds
    line:       keys to hand out, in order; always a part of `dirty`, disjoint from `processing`
    waiting:    when a delayed key is due; a key waits once, for its earliest moment
    failures:   how often a key failed since it was last forgotten
    meter:      who is told, if anybody
    """

    def __init__(self) -> None:
        self.dirty: set[K] = set()
        self.processing: set[K] = set()
        self.line: deque[K] = deque()
        self.waiting: dict[K, float] = {}
        self.failures: dict[K, int] = {}
        self.meter: Meter | None = None
        self._heap: list[tuple[float, int, K]] = []
        self._sequence = 0

    def __len__(self) -> int:
        return len(self.line)

    def add(self, key: K) -> None:
        if key in self.dirty:
            return
        self.dirty.add(key)
        if self.meter is not None:
            self.meter.added(key)
        if key not in self.processing:
            self.line.append(key)

    def add_at(self, key: K, moment: float) -> None:
        """Add the key when `moment` has come; an earlier date it already has stands."""
        known = self.waiting.get(key)
        if known is not None and known <= moment:
            return
        self.waiting[key] = moment
        self._sequence += 1
        heapq.heappush(self._heap, (moment, self._sequence, key))

    def failed(self, key: K, now: float) -> None:
        """Add the key after its next, longer delay."""
        count = self.failures.get(key, 0)
        self.failures[key] = count + 1
        delay = min(RETRY_SECONDS_MIN * 2 ** min(count, _EXPONENT_MAX), RETRY_SECONDS_MAX)
        self.add_at(key, now + delay)

    def forget(self, key: K) -> None:
        """It works again: its next failure starts with the shortest delay."""
        self.failures.pop(key, None)

    def ripen(self, now: float) -> None:
        """Move the delayed keys that are due into line."""
        while self._heap and self._heap[0][0] <= now:
            moment, _, key = heapq.heappop(self._heap)
            if self.waiting.get(key) == moment:
                del self.waiting[key]
                self.add(key)

    def next_moment(self) -> float | None:
        """When the next delayed key is due."""
        while self._heap and self.waiting.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # superseded by an earlier date
        return self._heap[0][0] if self._heap else None

    def take(self) -> K:
        """The next key, now being processed. Only when the line is not empty."""
        key = self.line.popleft()
        self.processing.add(key)
        self.dirty.discard(key)
        if self.meter is not None:
            self.meter.taken(key)
        return key

    def done(self, key: K) -> None:
        """The worker is through with the key; back in line if it was added meanwhile."""
        if self.meter is not None:
            self.meter.done(key)
        self.processing.discard(key)
        if key in self.dirty:
            self.line.append(key)


class QueueShutDown(Exception):
    """The queue gives out nothing more."""


class WorkQueue(Generic[K]):
    """`QueueCore` for asyncio workers of one event loop."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self._core: QueueCore[K] = QueueCore()
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.Handle | None = None
        self._timer_at = 0.0  # kept here: what uvloop returns does not always know
        self._shut = False

    def __len__(self) -> int:
        return len(self._core)

    def measure(self, meter: Meter) -> None:
        """Tell `meter` of every key from now on, and of those that are here already."""
        self._core.meter = meter
        for key in self._core.dirty:
            meter.added(key)

    def add(self, key: K) -> None:
        if not self._shut:
            self._core.add(key)
            self._wake()

    def add_after(self, key: K, seconds: float) -> None:
        if self._shut:
            return
        if seconds <= 0:
            self.add(key)
            return
        self._core.add_at(key, asyncio.get_running_loop().time() + seconds)
        self._set_timer()

    def add_rate_limited(self, key: K) -> None:
        """Add after a delay that doubles with every failure of the key (5 ms to 1000 s)."""
        if not self._shut:
            self._core.failed(key, asyncio.get_running_loop().time())
            self._set_timer()

    def forget(self, key: K) -> None:
        self._core.forget(key)

    def retries(self, key: K) -> int:
        return self._core.failures.get(key, 0)

    async def get(self) -> K:
        """The next key; `done` must follow. QueueShutDown after `shutdown`."""
        while not self._core.line:
            if self._shut:
                raise QueueShutDown
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._wake()  # the wake-up was ours: pass it on
                raise
        if self._shut:
            raise QueueShutDown
        key = self._core.take()
        self._wake()
        return key

    def done(self, key: K) -> None:
        self._core.done(key)
        self._wake()

    def shutdown(self) -> None:
        """Let every waiting and later `get` raise QueueShutDown."""
        self._shut = True
        if self._timer is not None:
            self._timer.cancel()
        while self._waiters:
            self._release(self._waiters.popleft())

    def _wake(self) -> None:
        while self._core.line and self._waiters:
            if self._release(self._waiters.popleft()):
                return

    @staticmethod
    def _release(waiter: asyncio.Future[None]) -> bool:
        if waiter.done():
            return False
        waiter.set_result(None)
        return True

    def _set_timer(self) -> None:
        moment = self._core.next_moment()
        if self._timer is not None:
            if moment is not None and self._timer_at <= moment:
                return
            self._timer.cancel()
            self._timer = None
        if moment is not None:
            self._timer_at = moment
            self._timer = asyncio.get_running_loop().call_at(moment, self._ripen)

    def _ripen(self) -> None:
        self._timer = None
        self._core.ripen(asyncio.get_running_loop().time())
        for _ in range(len(self._core.line)):
            self._wake()
        self._set_timer()
