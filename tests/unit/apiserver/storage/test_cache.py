"""The cache over the in-memory store, and what it does when the store misbehaves."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from apiserver.storage.cache import WAITERS_GONE_MIN, CacheBehind, WatchCache
from apiserver.storage.encoder import EventType, encode
from apiserver.storage.interface import Change, StorageUnavailable
from apiserver.storage.keys import key_of
from apiserver.storage.memory import MemoryStorage
from apiserver.storage.watchers import Interest, Watcher
from apiserver.storage.window import Cached
from wherry.api.scheme import BY_PLURAL, RESOURCES

CONFIGMAPS = BY_PLURAL["", "v1", "configmaps"]


def value(name: str) -> bytes:
    return encode({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}})


def key(name: str) -> bytes:
    return key_of(CONFIGMAPS, "ns", name)


class Paths:
    key = "paths"

    def frame(self, kind: EventType, cached: Cached) -> bytes:
        return f"{kind}:{cached.path}@{cached.revision} ".encode()

    def bookmark(self, revision: int, *, initial_end: bool) -> bytes:
        return f"BOOKMARK@{revision} ".encode()


class Moody(MemoryStorage):
    """A store that can be cut off, and counts questions for its revision."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.asked = 0
        self.lost = asyncio.Event()

    async def revision(self) -> int:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise StorageUnavailable("away")
        return await super().revision()

    async def watch(self, *, after: int) -> AsyncIterator[list[Change]]:
        inner = super().watch(after=after)
        while True:
            if self.away:
                raise StorageUnavailable("away")
            reading = asyncio.ensure_future(anext(inner))  # type: ignore[arg-type]
            losing = asyncio.ensure_future(self.lost.wait())
            try:
                await asyncio.wait([reading, losing], return_when=asyncio.FIRST_COMPLETED)
                if self.lost.is_set():
                    self.lost.clear()
                    raise StorageUnavailable("lost")
                yield reading.result()
            finally:
                reading.cancel()
                losing.cancel()


@asynccontextmanager
async def running(storage: MemoryStorage) -> AsyncIterator[WatchCache]:
    cache = WatchCache(storage, RESOURCES)
    task = asyncio.get_running_loop().create_task(cache.run())
    try:
        async with asyncio.timeout(60):
            await cache.ready.wait()
        yield cache
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def paths(cache: WatchCache) -> list[str]:
    return [one.path for one in cache.window(CONFIGMAPS).select()]


async def test_loads_and_follows() -> None:
    storage = MemoryStorage()
    await storage.create(key("a"), value("a"))
    await storage.create(b"/foreign", b"not ours")
    await storage.create(key("bad"), b"not JSON")
    async with running(storage) as cache:
        assert paths(cache) == ["ns/a"]
        revision = await storage.create(key("b"), value("b"))
        await cache.fresh()
        assert cache.revision == revision
        assert paths(cache) == ["ns/a", "ns/b"]
        revision = await storage.create(b"/foreign2", b"moves the revision")
        await cache.fresh()
        assert cache.revision == revision


async def test_history_before_the_start_can_be_watched() -> None:
    storage = MemoryStorage()
    first = await storage.create(key("a"), value("a"))
    await storage.create(key("b"), value("b"))
    async with running(storage) as cache:
        events = cache.window(CONFIGMAPS).since(first)
        assert [(event.type, event.current.path) for event in events] == [("ADDED", "ns/b")]


async def test_readers_share_questions() -> None:
    storage = Moody()
    async with running(storage) as cache:
        before = storage.asked
        async with asyncio.TaskGroup() as group:
            for _ in range(100):
                group.create_task(cache.fresh())
        assert storage.asked - before <= 2


async def test_waiting_for_a_revision_that_never_comes() -> None:
    async with running(MemoryStorage()) as cache:
        with pytest.raises(CacheBehind) as behind:
            await cache.wait_for(99, seconds=0.01)
        assert (behind.value.wanted, behind.value.reached) == (99, 1)


async def test_who_waited_in_vain_is_not_kept() -> None:
    async with running(MemoryStorage()) as cache:
        before = sum(isinstance(one, asyncio.Future) for one in gc.get_objects())
        for _ in range(4 * WAITERS_GONE_MIN):
            with pytest.raises(CacheBehind):
                await cache.wait_for(1 << 62, seconds=0)
        gc.collect()
        after = sum(isinstance(one, asyncio.Future) for one in gc.get_objects())
        assert after - before <= 2 * WAITERS_GONE_MIN


async def test_lost_watch_is_resumed_without_losing_or_repeating() -> None:
    storage = Moody()
    async with running(storage) as cache:
        watcher = Watcher(Interest(), Paths())
        cache.add_watcher(CONFIGMAPS, watcher)
        await storage.create(key("a"), value("a"))
        await cache.fresh()
        storage.lost.set()
        await storage.create(key("b"), value("b"))
        await cache.fresh()
        assert await watcher.next_chunk() == b"ADDED:ns/a@2 ADDED:ns/b@3 "


async def test_reads_from_memory_while_the_store_is_away() -> None:
    storage = Moody()
    await storage.create(key("a"), value("a"))
    async with running(storage) as cache:
        storage.away = True
        with pytest.raises(StorageUnavailable):
            await cache.fresh()
        assert paths(cache) == ["ns/a"]
        storage.away = False
        await cache.fresh()


async def test_compaction_closes_watches_and_loads_anew() -> None:
    storage = Moody()
    async with running(storage) as cache:
        await storage.create(key("a"), value("a"))
        await cache.fresh()
        watcher = Watcher(Interest(), Paths())
        cache.add_watcher(CONFIGMAPS, watcher)
        storage.away = True
        storage.lost.set()
        revision = await storage.create(key("b"), value("b"))
        await storage.delete(key("a"), expected=2)
        await storage.compact(revision + 1)
        storage.away = False
        async with asyncio.timeout(60):
            assert await watcher.next_chunk() == b""
            await cache.wait_for(revision + 1, seconds=60)
        assert paths(cache) == ["ns/b"]


async def test_lister_shares_parsed_objects() -> None:
    storage = MemoryStorage()
    await storage.create(key("a"), value("a"))
    async with running(storage) as cache:
        lister = cache.lister()
        found = lister.get(CONFIGMAPS, "ns", "a")
        assert found is not None
        assert found["metadata"] == {"resourceVersion": "2", "name": "a"}
        assert lister.get(CONFIGMAPS, "ns", "a") is found
        assert lister.get(CONFIGMAPS, "ns", "b") is None
        assert len(lister.list(CONFIGMAPS)) == 1
