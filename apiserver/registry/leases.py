"""Leases of the store for objects that expire (Events): one lease for each minute's objects.

A lease for each object would cost more than the object. Source: storage/etcd3/lease_manager.go.
"""

from __future__ import annotations

import asyncio

from apiserver.storage.interface import Storage
from wherry.daemon.clock import Clock

REUSE_SECONDS = 60.0
OBJECTS_PER_LEASE_MAX = 1000  # etcd revokes all keys of a lease in one transaction


class Leases:
    """Hands out the current lease of a time to live."""

    def __init__(self, storage: Storage, seconds: int, clock: Clock) -> None:
        self._storage = storage
        self._seconds = seconds
        self._clock = clock
        self._lock = asyncio.Lock()
        self._lease = 0
        self._until = 0.0
        self._objects = 0

    async def current(self) -> int:
        """A lease that lives at least the time to live from now."""
        async with self._lock:
            now = self._clock.monotonic()
            if now >= self._until or self._objects >= OBJECTS_PER_LEASE_MAX:
                self._lease = await self._storage.grant_lease(self._seconds + int(REUSE_SECONDS))
                self._until = now + REUSE_SECONDS
                self._objects = 0
            self._objects += 1
            return self._lease
