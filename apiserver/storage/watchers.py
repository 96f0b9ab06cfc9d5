"""Who watches a resource, and what of each change they see.

Watchers are indexed by what they can be interested in (one object, one node's pods, one namespace,
everything), so a change costs only those. Each frame is encoded once for all who want it in the same
form. A watcher that does not read is cut off at a bounded buffer; it never slows others.

Source of the transitions: k8s.io/apiserver/pkg/storage/cacher (cacheWatcher.convertToWatchEvent).
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterator
from typing import NamedTuple, Protocol

from apiserver.storage.encoder import EventType
from apiserver.storage.window import Cached, Event, ResourceWindow
from wherry.api.selectors import FieldSelectorExpr, LabelSelectorExpr

BUFFER_FRAMES_MAX = 8192
BUFFER_BYTES_MAX = 24 * 1024 * 1024
# The pause after a round: several times what a write to one watcher costs, for each that was woken.
ROUND_SECONDS_PER_WATCHER = 0.0005
ROUND_SECONDS_MAX = 0.05
CHUNK_BYTES = 256 * 1024
NODE_FIELD = "spec.nodeName"


class FrameEncoder(Protocol):
    """Turns an object into a line of a watch stream. Equal `key`s mean equal frames."""

    key: Hashable

    def frame(self, kind: EventType, cached: Cached) -> bytes: ...

    def bookmark(self, revision: int, *, initial_end: bool) -> bytes: ...


class Interest(NamedTuple):
    """What part of a resource a list or watch is about."""

    namespace: str = ""
    labels: LabelSelectorExpr | None = None
    fields: FieldSelectorExpr | None = None

    @property
    def selective(self) -> bool:
        return self.labels is not None or self.fields is not None

    def matches(self, cached: Cached) -> bool:
        """Whether an object of the right namespace is in it."""
        if self.labels is not None and not self.labels.matches(cached.labels):
            return False
        return self.fields is None or self.fields.matches(cached.fields)

    @property
    def name(self) -> str:
        """The one object this is about, if it is about one."""
        return (self.fields and self.fields.exact("metadata.name")) or ""

    @property
    def node(self) -> str:
        """The one node whose pods this is about, if it is about one's."""
        return (self.fields and self.fields.exact(NODE_FIELD)) or ""


def candidates(window: ResourceWindow, interest: Interest, after: str = "") -> list[Cached]:
    """The objects this may be about, in key order, beyond the path `after`; match them still."""
    if interest.name and (interest.namespace or not window.resource.namespaced):
        one = window.get(interest.namespace, interest.name)
        return [one] if one is not None and one.path > after else []
    return window.select(interest.namespace, after)


def seen(event: Event, interest: Interest) -> tuple[EventType, Cached] | None:
    """What this change looks like to somebody who sees only part of the objects."""
    if not interest.selective:
        return event.type, event.current
    previous = event.previous
    before = previous is not None and interest.matches(previous)
    if event.type == "DELETED":
        return ("DELETED", event.current) if before else None
    if interest.matches(event.current):
        return ("MODIFIED" if before else "ADDED"), event.current
    if before and previous is not None:
        return "DELETED", previous.at(event.revision)
    return None


def frame_of(event: Event, interest: Interest, encoder: FrameEncoder) -> bytes | None:
    """The line that shows this change to a watcher; encoded once for each form and type."""
    what = seen(event, interest)
    if what is None:
        return None
    key = (encoder.key, what[0])
    found = event.frames.get(key)
    if found is None:
        found = event.frames[key] = encoder.frame(*what)
    return found


class Watcher:
    """One client's watch: an async iterator of ready chunks.

    It ends when `close` is called or its time is over. Nobody but the event loop's thread touches it.
    """

    def __init__(
        self,
        interest: Interest,
        encoder: FrameEncoder,
        *,
        bookmarks: bool = False,
        first: Iterator[bytes] | None = None,
    ) -> None:
        self.interest = interest
        self.encoder = encoder
        self.bookmarks = bookmarks
        self.cut_off = False
        self.pacer: Pacer | None = None  # who says when to write; None: at once
        self.sent = 0  # lines the client was given
        self._first = first  # lines that come before any change; made only as the client reads
        self._buffer: list[bytes] = []
        self._bytes = 0
        self._closed = False
        self._due = False  # what is buffered may go: its round has come
        self._waiter: asyncio.Future[None] | None = None

    def push(self, frame: bytes) -> None:
        """Take over a ready line."""
        if self._closed:
            return
        buffer = self._buffer
        buffer.append(frame)
        self._bytes += len(frame)
        if len(buffer) > BUFFER_FRAMES_MAX or self._bytes > BUFFER_BYTES_MAX:
            self.cut_off = True
            self._buffer = []
            self.close()
        elif len(buffer) == 1:
            if self.pacer is None:
                self.wake()
            else:
                self.pacer.add(self)

    def close(self) -> None:
        """End the stream after what is buffered."""
        self._closed = True
        self.wake()

    async def next_chunk(self) -> bytes:
        """Lines that wait, joined; empty when the watch is over."""
        if self._first is not None:
            taken = _take(self._first)
            if taken:
                self.sent += len(taken)
                return b"".join(taken)
            self._first = None
        while not (self._buffer and self._due):
            if self._closed and not self._buffer:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            self._waiter = None
        if self._bytes > CHUNK_BYTES:  # a slow reader must not cost a copy of all that waits
            return self._some()
        frames, self._buffer, self._bytes, self._due = self._buffer, [], 0, False
        self.sent += len(frames)
        if len(frames) == 1:
            return frames[0]
        return b"".join(frames) if self.pacer is None else self.pacer.joined(frames)

    def _some(self) -> bytes:
        """The first lines that wait, up to a chunk's size."""
        taken = _take(iter(self._buffer))
        chunk = b"".join(taken)
        del self._buffer[: len(taken)]
        self._bytes -= len(chunk)
        self.sent += len(taken)
        return chunk

    def wake(self) -> None:
        """Let the reader see what there is."""
        self._due = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Pacer:
    """Wakes watchers that have something to write, at a pace that leaves time for other work.

    A write to one client costs a TLS record, a system call and a task's turn, however many events it
    carries. So after a round that woke many, the next one comes a while later and carries more; when
    little happens, everybody is woken at once. Those who wake together mostly write the same.
    """

    def __init__(self) -> None:
        self._waiting: list[Watcher] = []
        self._frames: list[bytes] = []  # what was joined last, and what it made
        self._chunk = b""
        self._timer: asyncio.Handle | None = None
        self._not_before = 0.0

    def add(self, watcher: Watcher) -> None:
        """Wake this watcher in the next round."""
        self._waiting.append(watcher)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            delay = self._not_before - loop.time()
            if delay > 0:
                self._timer = loop.call_later(delay, self._round)
            else:
                self._timer = loop.call_soon(self._round)

    def joined(self, frames: list[bytes]) -> bytes:
        """These lines in one piece; made once for watchers that ask one after the other."""
        if frames != self._frames:
            self._frames, self._chunk = frames, b"".join(frames)
        return self._chunk

    def _round(self) -> None:
        self._timer = None
        waiting, self._waiting = self._waiting, []
        for watcher in waiting:
            watcher.wake()
        pause = min(len(waiting) * ROUND_SECONDS_PER_WATCHER, ROUND_SECONDS_MAX)
        self._not_before = asyncio.get_running_loop().time() + pause


def _take(frames: Iterator[bytes]) -> list[bytes]:
    """The next lines, up to a chunk's size."""
    taken: list[bytes] = []
    size = 0
    for frame in frames:
        taken.append(frame)
        size += len(frame)
        if size >= CHUNK_BYTES:
            break
    return taken


class Audience:
    """Watchers that see the same of every change, in the same form."""

    __slots__ = ("_encoder", "_interest", "watchers")

    def __init__(self, interest: Interest, encoder: FrameEncoder) -> None:
        self._interest = interest
        self._encoder = encoder
        self.watchers: set[Watcher] = set()

    def tell(self, event: Event) -> None:
        """Hand a change to all of them, if they see it."""
        frame = frame_of(event, self._interest, self._encoder)
        if frame is not None:
            for watcher in self.watchers:
                watcher.push(frame)


class WatcherIndex:
    """The watchers of one resource, found by what a change touches.

    By topic (the narrowest thing a change must touch to concern them), then by what they see of it.
    """

    def __init__(self) -> None:
        self._by_topic: dict[Hashable, dict[Hashable, Audience]] = {}
        self._count = 0
        self._sent_before = 0  # to watchers that have left
        self.dispatched = 0

    @property
    def sent(self) -> int:
        """Lines that all watchers together were given."""
        return self._sent_before + sum(watcher.sent for watcher in self)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Watcher]:
        for audiences in list(self._by_topic.values()):
            for audience in list(audiences.values()):
                yield from list(audience.watchers)

    def add(self, watcher: Watcher) -> None:
        topic, view = _topic(watcher.interest), _view(watcher)
        audiences = self._by_topic.setdefault(topic, {})
        if view not in audiences:
            audiences[view] = Audience(watcher.interest, watcher.encoder)
        audiences[view].watchers.add(watcher)
        self._count += 1

    def remove(self, watcher: Watcher) -> None:
        topic, view = _topic(watcher.interest), _view(watcher)
        audiences = self._by_topic.get(topic, {})
        audience = audiences.get(view)
        if audience is None or watcher not in audience.watchers:
            return
        audience.watchers.remove(watcher)
        self._count -= 1
        self._sent_before += watcher.sent
        if not audience.watchers:
            del audiences[view]
            if not audiences:
                del self._by_topic[topic]

    def dispatch(self, event: Event) -> None:
        """Offer a change to everybody it may concern."""
        self.dispatched += 1
        if not self._count:
            return
        current = event.current
        topics: list[Hashable] = [
            None,
            ("namespace", current.namespace),
            ("object", current.namespace, current.name),
            ("object", "", current.name),
        ]
        node = current.fields.get(NODE_FIELD, "")
        if node:
            topics.append(("node", node))
        if event.previous is not None:
            before = event.previous.fields.get(NODE_FIELD, "")
            if before and before != node:
                topics.append(("node", before))
        for topic in topics if current.namespace else topics[:1] + topics[3:]:
            if audiences := self._by_topic.get(topic):
                for audience in audiences.values():
                    audience.tell(event)
        event.frames.clear()  # they live on in buffers; history must not keep a second copy


def _topic(interest: Interest) -> Hashable:
    """The narrowest index entry that gets all a watcher may be interested in."""
    if interest.name:
        return ("object", interest.namespace, interest.name)
    if interest.node and not interest.namespace:
        return ("node", interest.node)
    if interest.namespace:
        return ("namespace", interest.namespace)
    return None


def _view(watcher: Watcher) -> Hashable:
    """Equal for watchers that are shown the same lines."""
    return (watcher.interest, watcher.encoder.key)
