"""The loop around a reconcile function: take a key, bring the world closer to the wish, repeat.

The function gets a key, never an event: it reads the whole truth each time. It returns the seconds
after which it wants to look again, or None; an exception means "again, later and later".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from wherry.api.errors import ApiError
from wherry.client.metrics import QueueMeter
from wherry.client.transport import ApiUnavailable
from wherry.client.workqueue import QueueShutDown, WorkQueue

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
Reconcile = Callable[[K], Awaitable[float | None]]

UNAVAILABLE_SECONDS = 2.0  # before a key is tried again that the server did not answer for


class Controller(Generic[K]):
    """Works a queue with a bounded number of workers."""

    def __init__(
        self,
        name: str,
        reconcile: Reconcile[K],
        queue: WorkQueue[K],
        *,
        workers: int = 1,
        meter: QueueMeter | None = None,
    ) -> None:
        self.name = name
        self.queue = queue
        self._reconcile = reconcile
        self._workers = workers
        self._meter = meter
        if meter is not None:
            queue.measure(meter)

    async def run(self) -> None:
        """Work until cancelled or until the queue is shut down."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._workers):
                tasks.create_task(self._work(), name=f"{self.name}-{number}")

    async def _work(self) -> None:
        while True:
            try:
                key = await self.queue.get()
            except QueueShutDown:
                return
            try:
                await self._once(key)
            finally:
                self.queue.done(key)

    async def _once(self, key: K) -> None:
        try:
            again = await self._reconcile(key)
        except ApiError as error:
            # A conflict is the usual way to learn that the cache was behind: no news for a person.
            level = logging.DEBUG if error.code == 409 else logging.WARNING
            log.log(level, "%s: %s: %s", self.name, key, error)
            self._retry(key)
        except ApiUnavailable as error:
            log.warning("%s: %s: %s", self.name, key, error)
            # The key is not to blame: its delay must not grow as long as the server is away.
            self.queue.add_after(key, UNAVAILABLE_SECONDS)
        except Exception:  # a bug with one object must not stop the others
            log.exception("%s: %s failed", self.name, key)
            self._retry(key)
        else:
            self.queue.forget(key)
            if again is not None:
                self.queue.add_after(key, again)

    def _retry(self, key: K) -> None:
        self.queue.add_rate_limited(key)
        if self._meter is not None:
            self._meter.retried()
