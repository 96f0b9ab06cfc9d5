"""The watch cache: everything the store holds, in memory, current, from one watch on all keys.

One watch means one revision: the cache's is that of the last complete revision applied, for all
resources at once. Reads that must be current ask the store for its revision only (many readers share
one question) and wait until the cache has reached it. A lost connection is resumed where it broke;
after a compaction the cache starts anew and closes all client watches, it never invents events.

`ResourceWindow` and `WatcherIndex` hold what is known and who is told; this is the shell that moves.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any

from apiserver.storage.encoder import UnknownBytes, decode_item
from apiserver.storage.fanout import Rounds, WatcherIndex
from apiserver.storage.interface import (
    Change,
    Compacted,
    Entry,
    Storage,
    StorageError,
)
from apiserver.storage.keys import ROOT, ROOT_END, KeyReader, Place
from apiserver.storage.probe import RevisionProbe
from apiserver.storage.unreadable import Unreadables, reason
from apiserver.storage.watchers import Block, Watcher
from apiserver.storage.window import Cached, FieldsOf, ResourceWindow
from apiserver.tally import SECONDS, Tally
from wherry.api.scheme import Resource
from wherry.daemon.backoff import Backoff
from wherry.daemon.clock import Clock, SystemClock

log = logging.getLogger(__name__)

PAGE_KEYS = 500  # of the first list
REWIND_REVISIONS = 1000  # history taken over at start, so that clients resume across a restart
APPLY_YIELD_EVERY = 200  # changes applied before others may run
BOOKMARK_SECONDS = 15.0
WAIT_SECONDS_MAX = 3.0  # for the cache to reach a revision
WAITERS_GONE_MIN = 64  # before those who wait are looked through
LISTED_SHARED_MAX = 64  # objects of one listing that may enter the kept trees
TREES_KEPT_MAX = 512  # parsed objects that admission is likely to ask for again


class CacheBehind(Exception):
    """The cache did not reach a revision in time."""

    def __init__(self, wanted: int, reached: int) -> None:
        super().__init__(f"revision {wanted} is not reached; the newest is {reached}")
        self.wanted = wanted
        self.reached = reached


def no_fields(_: Mapping[str, Any]) -> Mapping[str, str]:
    """The selectable fields of a kind that has none of its own."""
    return {}


class WatchCache:
    """All stored objects in memory. `run` must run; `ready` is set once it has caught up."""

    def __init__(
        self,
        storage: Storage,
        resources: Iterable[Resource],
        fields_of: Mapping[Resource, FieldsOf] | None = None,
        clock: Clock | None = None,
    ) -> None:
        stored = [resource for resource in resources if resource.stored]
        readers = fields_of or {}
        self.ready = asyncio.Event()
        self.revision = 0
        self._storage = storage
        self._clock = clock or SystemClock()
        self._keys = KeyReader(stored)
        self._windows = {r: ResourceWindow(r, readers.get(r, no_fields)) for r in stored}
        rounds = Rounds()
        self._watchers = {r: WatcherIndex(rounds) for r in stored}
        self._probe = RevisionProbe(storage.revision)
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._gone = 0  # who stopped waiting since they were last looked through
        self._order = count()
        self.unreadable = Unreadables()
        self.loads = 0  # how often everything was read anew
        self.waits = Tally[str](SECONDS)  # of readers for the cache to reach a revision
        self._trees: dict[int, Mapping[str, Any]] = {}
        self._tree_order: deque[tuple[int, Cached]] = deque()

    # --- reading ---

    def window(self, resource: Resource) -> ResourceWindow:
        """What is known of a resource, now."""
        return self._windows[resource]

    async def fresh(self) -> None:
        """Wait until everything written before this call is seen. StorageError, CacheBehind."""
        newest = await self._probe.newest()
        if newest > self.revision:
            await self.wait_for(newest)

    async def wait_for(self, revision: int, seconds: float = WAIT_SECONDS_MAX) -> None:
        """Wait until the cache has reached a revision. CacheBehind when it takes too long."""
        if revision <= self.revision:
            return
        loop = asyncio.get_running_loop()
        reached: asyncio.Future[None] = loop.create_future()
        started = loop.time()
        heapq.heappush(self._waiters, (revision, next(self._order), reached))
        try:
            async with asyncio.timeout(seconds):
                await reached
        except TimeoutError:
            raise CacheBehind(revision, self.revision) from None
        finally:
            self._forget_gone()
            self.waits.add("", loop.time() - started)

    def tree(self, resource: Resource, cached: Cached) -> Mapping[str, Any]:
        """An object parsed, shared: never change it. The most recent ones are kept parsed."""
        key = id(cached)
        found = self._trees.get(key)
        if found is None:
            found = self._trees[key] = decode_item(cached.item, resource.gvk)
            # Keeping `cached` beside its id keeps the id from being used again.
            self._tree_order.append((key, cached))
            if len(self._tree_order) > TREES_KEPT_MAX:
                del self._trees[self._tree_order.popleft()[0]]
        return found

    def lister(self) -> CacheLister:
        return CacheLister(self)

    # --- watching ---

    def add_watcher(self, resource: Resource, watcher: Watcher) -> None:
        """Tell a watcher of every change from now on.

        Whoever read the window in the same turn of the event loop misses nothing between.
        """
        self._watchers[resource].add(watcher)

    def remove_watcher(self, resource: Resource, watcher: Watcher) -> None:
        self._watchers[resource].remove(watcher)

    def watchers(self, resource: Resource) -> WatcherIndex:
        """Who watches a resource, and how much they were told."""
        return self._watchers[resource]

    def watcher_count(self) -> int:
        return sum(len(index) for index in self._watchers.values())

    def close_watchers(self) -> None:
        """End all client watches; they list again."""
        for index in self._watchers.values():
            index.settle()
            for watcher in index:
                watcher.close()

    # --- running ---

    async def run(self) -> None:
        """Follow the store for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._probe.run())
            group.create_task(self._tick())
            group.create_task(self._follow())

    async def _follow(self) -> None:
        backoff = Backoff(initial=0.05, maximum=2.0)
        loaded = False
        while True:
            try:
                if not loaded:
                    await self._load()
                    loaded = True
                async for batch in self._storage.watch(after=self.revision):
                    await self._apply(batch)
                    backoff.reset()
            except Compacted:
                if loaded:
                    log.warning("the store forgot revision %d: loading anew", self.revision)
                loaded = False
            except StorageError as error:
                log.warning("the store does not answer: %s", error)
            await self._clock.sleep(backoff.next())

    async def _load(self) -> None:
        newest = await self._storage.revision()
        start = max(1, newest - REWIND_REVISIONS)
        try:
            await self._load_at(start)
        except Compacted:
            start = newest
            await self._load_at(start)
        if start >= newest:
            self.ready.set()
        else:
            reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            reached.add_done_callback(lambda _: self.ready.set())
            heapq.heappush(self._waiters, (newest, next(self._order), reached))

    async def _load_at(self, revision: int) -> None:
        """Take over the whole state at a revision. Clients watch anew: what they missed is unknown."""
        loaded: dict[Resource, list[Cached]] = {resource: [] for resource in self._windows}
        unreadable = Unreadables()
        start, more = ROOT, True
        while more:
            page = await self._storage.range(start, ROOT_END, limit=PAGE_KEYS, revision=revision)
            for entry in page.entries:
                place = self._keys.read(entry.key)
                if place is not None:
                    self._take_over(place, entry, loaded, unreadable)
            more = page.more and bool(page.entries)
            if more:
                start = page.entries[-1].key + b"\0"
        # Nothing waits in the swap: no reader or watcher sees half of it.
        for resource, found in loaded.items():
            self._windows[resource].reset(revision, found)
        self.unreadable = unreadable
        self.close_watchers()
        self.loads += 1
        self._reached(revision)

    def _take_over(
        self,
        place: Place,
        entry: Entry,
        loaded: dict[Resource, list[Cached]],
        unreadable: Unreadables,
    ) -> None:
        resource, namespace, name = place
        window = self._windows[resource]
        try:
            cached = window.read(namespace, name, entry.value, entry.revision)
        except (UnknownBytes, ValueError, KeyError):
            why = reason(entry.value)
            unreadable.note(place, why)
            log.error("unreadable %s %s/%s: %s", resource.plural, namespace, name, why)
        else:
            loaded[resource].append(cached)

    async def _apply(self, batch: list[Change]) -> None:
        now = self._clock.monotonic()
        last = len(batch) - 1
        for index, change in enumerate(batch):
            place = self._keys.read(change.key)
            if place is not None:
                self._apply_one(place, change, now)
            # A revision counts when all of it is applied (foreign writers put several keys in one).
            if index == last or batch[index + 1].revision != change.revision:
                self.revision = change.revision
                if index % APPLY_YIELD_EVERY == APPLY_YIELD_EVERY - 1:
                    self._reached(change.revision)
                    await asyncio.sleep(0)
        self._reached(self.revision)

    def _apply_one(self, place: Place, change: Change, now: float) -> None:
        resource, namespace, name = place
        try:
            event = self._windows[resource].apply(
                namespace, name, change.value, change.revision, now
            )
        except (UnknownBytes, ValueError, KeyError):
            why = reason(change.value or b"")
            self.unreadable.note(place, why)
            log.error("unreadable %s %s/%s: %s", resource.plural, namespace, name, why)
            return
        if self.unreadable:
            self.unreadable.forget(place)
        if event is not None:
            self._watchers[resource].dispatch(event)

    def _reached(self, revision: int) -> None:
        self.revision = revision
        waiters = self._waiters
        while waiters and waiters[0][0] <= revision:
            reached = heapq.heappop(waiters)[2]
            if not reached.done():
                reached.set_result(None)

    def _forget_gone(self) -> None:
        """Who waited for what never came is not kept: never more than there are who still wait."""
        waiters = self._waiters
        self._gone += 1
        if self._gone > WAITERS_GONE_MIN and self._gone > len(waiters) / 2:
            waiters[:] = [one for one in waiters if not one[2].done()]
            heapq.heapify(waiters)
            self._gone = 0

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(BOOKMARK_SECONDS)
            now = self._clock.monotonic()
            for resource, index in self._watchers.items():
                self._windows[resource].trim(now)
                index.settle()
                blocks: dict[Any, Block] = {}
                for watcher in index:
                    if not watcher.bookmarks:
                        continue
                    key = watcher.encoder.key
                    if key not in blocks:
                        line = watcher.encoder.bookmark(self.revision, initial_end=False)
                        blocks[key] = Block([line], len(line))
                    watcher.give(blocks[key])


class CacheLister:
    """The cache as admission sees it: decoded objects, as of now."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache

    def get(self, resource: Resource, namespace: str, name: str) -> Mapping[str, Any] | None:
        cached = self._cache.window(resource).get(namespace, name)
        return None if cached is None else self._cache.tree(resource, cached)

    def list(self, resource: Resource, namespace: str = "") -> list[Mapping[str, Any]]:
        """Everything; parsed anew when it is much: not for hot paths then."""
        window = self._cache.window(resource)
        if not window:  # admission asks on every write for kinds that few clusters have
            return []
        found = window.select(namespace)
        if len(found) <= LISTED_SHARED_MAX:
            return [self._cache.tree(resource, cached) for cached in found]
        return [decode_item(cached.item, resource.gvk) for cached in found]

    def each(
        self, resource: Resource, namespace: str = ""
    ) -> tuple[int, Iterator[Mapping[str, Any]]]:
        """How many there are, and they, each parsed when its turn comes: for who may stop early."""
        found = self._cache.window(resource).select(namespace)
        return len(found), (decode_item(cached.item, resource.gvk) for cached in found)
