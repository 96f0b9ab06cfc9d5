"""A store whose `/registry` is another folder of the real one's (`--etcd-prefix`).

Several clusters can so share one etcd. What lies outside the folder still moves the revision, so a
watch delivers it, under names that are nobody's. Keys outside `/registry` (the compactor's) are the same
for all: the history they are about is shared.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from apiserver.storage.interface import Change, Entry, Page, Status, Storage

INNER = b"/registry"
FOREIGN = b"\0"  # in front of keys that are not ours


class PrefixedStorage:
    """See the module. `prefix` has a slash in front and none at its end."""

    def __init__(self, storage: Storage, prefix: str) -> None:
        self._storage = storage
        self._prefix = prefix.encode()

    def _outer(self, key: bytes) -> bytes:
        return self._prefix + key[len(INNER) :] if key.startswith(INNER) else key

    def _inner(self, key: bytes) -> bytes:
        if key.startswith(self._prefix + b"/"):
            return INNER + key[len(self._prefix) :]
        return FOREIGN + key if key.startswith(INNER) else key

    async def get(self, key: bytes) -> Entry | None:
        found = await self._storage.get(self._outer(key))
        return found and found._replace(key=key)

    async def range(self, start: bytes, end: bytes, *, limit: int = 0, revision: int = 0) -> Page:
        page = await self._storage.range(
            self._outer(start), self._outer(end), limit=limit, revision=revision
        )
        entries = [entry._replace(key=self._inner(entry.key)) for entry in page.entries]
        return page._replace(entries=entries)

    async def revision(self) -> int:
        return await self._storage.revision()

    async def create(self, key: bytes, value: bytes, *, lease: int = 0) -> int:
        return await self._storage.create(self._outer(key), value, lease=lease)

    async def update(self, key: bytes, value: bytes, *, expected: int, lease: int = 0) -> int:
        return await self._storage.update(self._outer(key), value, expected=expected, lease=lease)

    async def delete(self, key: bytes, *, expected: int) -> int:
        return await self._storage.delete(self._outer(key), expected=expected)

    async def watch(self, *, after: int) -> AsyncIterator[list[Change]]:
        async for batch in self._storage.watch(after=after):
            yield [change._replace(key=self._inner(change.key)) for change in batch]

    async def grant_lease(self, seconds: int) -> int:
        return await self._storage.grant_lease(seconds)

    async def compact(self, revision: int) -> None:
        await self._storage.compact(revision)

    async def status(self) -> Status:
        return await self._storage.status()

    async def close(self) -> None:
        await self._storage.close()
