"""WATCH: from which state on, what comes first, when it ends.

Without resourceVersion a watch begins with what is there now, as ADDED; with one, it begins with what
changed since. `sendInitialEvents` (streaming lists) asks for the former and a bookmark that ends it.
Requests that are too old get an ERROR event with 410, as upstream's cacher answers them. One from a
state that is yet to come hears nothing before it has come, and then what changes after it: the client
may know it from a server that is ahead. A streaming list of such a state is refused by an ERROR event.

One parameter is our own: with `progressNotify` (etcd's name for it) a bookmark follows what comes
first, so that a daemon knows that its cache has all that was written before it asked.

Source: k8s.io/apiserver/pkg/storage/cacher and endpoints/handlers/{get,watch}.go.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import replace
from itertools import chain

import orjson

from apiserver.registry.failures import too_large_revision, too_old
from apiserver.registry.options import ListOptions
from apiserver.storage.cache import CacheBehind, WatchCache
from apiserver.storage.encoder import frame
from apiserver.storage.watchers import Block, FrameEncoder, Watcher, candidates, frame_of
from apiserver.storage.window import Cached, Event, HistoryGone
from wherry.api.errors import ApiError
from wherry.api.scheme import Resource

TIMEOUT_SECONDS_MIN = 1800  # upstream's --min-request-timeout; watches end between it and twice it


async def open_watch(
    cache: WatchCache, resource: Resource, options: ListOptions, encoder: FrameEncoder
) -> WatchStream | AsyncGenerator[bytes, None]:
    """The watch's chunks. What can be refused is refused before this returns."""
    initial = options.initial_events
    if initial is None:
        initial = not options.revision
    if options.progress or (options.revision is None and initial):
        await cache.fresh()
    if options.revision and initial:
        try:
            await cache.wait_for(options.revision)
        except CacheBehind as error:
            return _error(too_large_revision(error.wanted, error.reached))
    elif options.revision and options.revision > cache.revision:
        return _later(cache, resource, options, encoder)
    # From here to `add_watcher` nothing waits: the watch misses nothing between.
    window = cache.window(resource)
    interest = options.interest
    if initial:
        found = candidates(window, interest)
        first = _added(found, options, encoder, cache.revision)
    elif options.revision is None:  # sendInitialEvents=false: from now on
        first = iter(())
    else:
        try:
            first = _changed(window.since(options.revision), options, encoder)
        except HistoryGone as error:
            return _error(too_old(options.revision, error.oldest))
    if options.progress:
        first = chain(first, (encoder.bookmark(cache.revision, initial_end=False),))
    watcher = Watcher(interest, encoder, bookmarks=options.bookmarks, first=first)
    return _stream(cache, resource, watcher, _seconds(options))


def _seconds(options: ListOptions) -> float:
    if options.timeout_seconds:
        return float(options.timeout_seconds)
    # Spread, so that clients that came together do not come again together.
    return TIMEOUT_SECONDS_MIN * (1 + random.SystemRandom().random())


def _added(
    found: Iterable[Cached], options: ListOptions, encoder: FrameEncoder, revision: int
) -> Iterator[bytes]:
    interest = options.interest
    for cached in found:
        if not interest.selective or interest.matches(cached):
            yield encoder.frame("ADDED", cached)
    if options.initial_events and options.bookmarks:
        yield encoder.bookmark(revision, initial_end=True)


def _changed(
    events: Iterable[Event], options: ListOptions, encoder: FrameEncoder
) -> Iterator[bytes]:
    namespace = options.interest.namespace
    for event in events:
        if namespace and event.current.namespace != namespace:
            continue
        line = frame_of(event, options.interest, encoder)
        if line is not None:
            yield line


class WatchStream:
    """The chunks of one watch; leaving it, however that happens, takes the watcher off."""

    def __init__(
        self, cache: WatchCache, resource: Resource, watcher: Watcher, seconds: float
    ) -> None:
        self._cache = cache
        self._resource = resource
        self._watcher = watcher
        self._timer = asyncio.get_running_loop().call_later(seconds, self._time_is_over)
        cache.add_watcher(resource, watcher)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    def write_by(self, write: Callable[[Block], bool]) -> None:
        """Let blocks go straight to the client, where they would only pass through this iterator."""
        self._watcher.write = write

    async def __anext__(self) -> bytes:
        chunk = await self._watcher.next_chunk()
        if not chunk:
            await self.aclose()
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        self._timer.cancel()
        self._cache.remove_watcher(self._resource, self._watcher)
        self._watcher.close()

    def _time_is_over(self) -> None:
        watcher = self._watcher
        self._cache.watchers(self._resource).settle()
        if watcher.bookmarks:  # the client resumes where it was, however quiet it has been
            watcher.push(watcher.encoder.bookmark(self._cache.revision, initial_end=False))
        self._cache.remove_watcher(self._resource, watcher)
        watcher.close()


def _stream(cache: WatchCache, resource: Resource, watcher: Watcher, seconds: float) -> WatchStream:
    return WatchStream(cache, resource, watcher, seconds)


async def _later(
    cache: WatchCache, resource: Resource, options: ListOptions, encoder: FrameEncoder
) -> AsyncGenerator[bytes, None]:
    """A watch from a state that is yet to come; it may end before that."""
    assert options.revision is not None, "only asked for a state"
    loop, seconds = asyncio.get_running_loop(), _seconds(options)
    until = loop.time() + seconds
    try:
        await cache.wait_for(options.revision, seconds)
    except CacheBehind:
        return
    rest = replace(options, timeout_seconds=max(1, round(until - loop.time())))
    async with aclosing(await open_watch(cache, resource, rest, encoder)) as stream:
        async for chunk in stream:
            yield chunk


async def _error(error: ApiError) -> AsyncGenerator[bytes, None]:
    yield frame("ERROR", orjson.dumps(error.status))
