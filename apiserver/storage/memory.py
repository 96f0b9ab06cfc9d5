"""The storage seam in memory: what tests use where no etcd is needed.

Keeps every version of every key since the last compaction, so reads at a revision and watches from
the past behave as etcd's. Leases never expire by themselves (`expire_lease` does it).
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator

from apiserver.storage.interface import (
    Change,
    Compacted,
    Entry,
    FutureRevision,
    KeyExists,
    KeyMissing,
    Page,
    RevisionConflict,
    Status,
    ValueTooLarge,
)

MAX_VALUE_BYTES = 1_572_864  # etcd's default --max-request-bytes


class MemoryStorage:
    """A revisioned key-value store in this process. Starts at revision 1, as an empty etcd does."""

    def __init__(self) -> None:
        self._log: list[Change] = []  # every kept change, revisions strictly ascending
        self._live: dict[bytes, Entry] = {}
        self._revision = 1
        self._compacted = 0
        self._moved = asyncio.Event()  # replaced each time the revision moves
        self._leases: dict[int, set[bytes]] = {}

    async def get(self, key: bytes) -> Entry | None:
        return self._live.get(key)

    async def range(self, start: bytes, end: bytes, *, limit: int = 0, revision: int = 0) -> Page:
        if revision > self._revision:
            raise FutureRevision
        if revision and revision < self._compacted:
            raise Compacted(self._compacted)
        state = self._live if revision in (0, self._revision) else self._state_at(revision)
        found = sorted(entry for key, entry in state.items() if start <= key < end)
        kept = found[:limit] if limit else found
        left = len(found) - len(kept)
        return Page(kept, self._revision, left > 0, left)

    async def revision(self) -> int:
        return self._revision

    async def create(self, key: bytes, value: bytes, *, lease: int = 0) -> int:
        if key in self._live:
            raise KeyExists
        return self._put(key, value, lease)

    async def update(self, key: bytes, value: bytes, *, expected: int, lease: int = 0) -> int:
        self._check(key, expected)
        return self._put(key, value, lease)

    async def delete(self, key: bytes, *, expected: int) -> int:
        self._check(key, expected)
        return self._append(key, None)

    async def watch(self, *, after: int) -> AsyncIterator[list[Change]]:
        while True:
            if after + 1 < self._compacted:
                raise Compacted(self._compacted)
            moved = self._moved
            first = bisect_left(self._log, after + 1, key=lambda change: change.revision)
            if batch := self._log[first:]:
                after = batch[-1].revision
                yield batch
            else:
                await moved.wait()

    async def grant_lease(self, seconds: int) -> int:
        lease = len(self._leases) + 1
        self._leases[lease] = set()
        return lease

    async def compact(self, revision: int) -> None:
        if revision <= self._compacted:
            return
        state = self._state_at(revision)
        self._compacted = revision
        old = sorted(state.values(), key=lambda entry: entry.revision)
        kept = [change for change in self._log if change.revision > revision]
        self._log = [Change(*entry) for entry in old] + kept

    async def status(self) -> Status:
        return Status("memory", sum(len(entry.value) for entry in self._live.values()), ())

    async def close(self) -> None:
        """Nothing to close."""

    def expire_lease(self, lease: int) -> None:
        """What time does to a lease in etcd."""
        for key in sorted(self._leases.pop(lease, ())):
            if key in self._live:
                self._append(key, None)

    def _check(self, key: bytes, expected: int) -> None:
        current = self._live.get(key)
        if current is None:
            raise KeyMissing
        if current.revision != expected:
            raise RevisionConflict(current)

    def _put(self, key: bytes, value: bytes, lease: int) -> int:
        if len(value) > MAX_VALUE_BYTES:
            raise ValueTooLarge
        for keys in self._leases.values():
            keys.discard(key)
        if lease:
            self._leases[lease].add(key)
        return self._append(key, value)

    def _append(self, key: bytes, value: bytes | None) -> int:
        self._revision += 1
        self._log.append(Change(key, value, self._revision))
        if value is None:
            del self._live[key]
        else:
            self._live[key] = Entry(key, value, self._revision)
        self._moved.set()
        self._moved = asyncio.Event()
        return self._revision

    def _state_at(self, revision: int) -> dict[bytes, Entry]:
        state: dict[bytes, Entry] = {}
        for key, value, at in self._log:
            if at > revision:
                break
            if value is None:
                state.pop(key, None)
            else:
                state[key] = Entry(key, value, at)
        return state
