"""One client's watch: what of each change it sees, and how the lines reach it.

A watcher takes over lines in blocks. While its client keeps up, a block goes straight to the
connection; otherwise it waits in a buffer that the answer's task empties. A watcher that does not read
is cut off at that buffer's bound; it never slows others. `fanout.py` says who is told of what.

Source of the transitions: k8s.io/apiserver/pkg/storage/cacher (cacheWatcher.convertToWatchEvent).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import NamedTuple, Protocol

from apiserver.storage.encoder import EventType
from apiserver.storage.window import Cached, Event, ResourceWindow
from wherry.api.selectors import FieldSelectorExpr, LabelSelectorExpr

BUFFER_FRAMES_MAX = 8192
BUFFER_BYTES_MAX = 24 * 1024 * 1024
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


class Block:
    """Lines that go out together, to everybody who sees them.

    sealed: the lines as the first connection wrote them, piece by piece, for the next ones
    """

    __slots__ = ("lines", "sealed", "size")

    def __init__(self, lines: list[bytes], size: int) -> None:
        self.lines = lines
        self.size = size
        self.sealed: Sequence[bytes] = ()


class Watcher:
    """One client's watch: ready chunks for whoever awaits them, or blocks for `write`.

    It ends when `close` is called. Nobody but the event loop's thread touches it.

    write: takes a block over for the client, or says that the client is slow. It is asked only while
           nothing waits in the buffer and the answer's task waits for more: order is kept.
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
        self.write: Callable[[Block], bool] | None = None
        self.sent = 0  # lines the client was given
        self._first = first  # lines that come before any change; made only as the client reads
        self._buffer: list[bytes] = []
        self._bytes = 0
        self._closed = False
        self._waiter: asyncio.Future[None] | None = None

    def give(self, block: Block) -> None:
        """Take over ready lines."""
        if self._closed:
            return
        waiter = self._waiter
        waited_for = waiter is not None and not waiter.done()
        if waited_for and self.write is not None and self.write(block):
            self.sent += len(block.lines)
        else:
            self._keep(block)

    def push(self, line: bytes) -> None:
        """Take over one ready line."""
        self.give(Block([line], len(line)))

    def _keep(self, block: Block) -> None:
        self._buffer += block.lines
        self._bytes += block.size
        if len(self._buffer) > BUFFER_FRAMES_MAX or self._bytes > BUFFER_BYTES_MAX:
            self.cut_off = True
            self._buffer = []
            self.close()
        else:
            self._wake()

    def close(self) -> None:
        """End the stream after what is buffered."""
        self._closed = True
        self._wake()

    async def next_chunk(self) -> bytes:
        """Lines that wait, joined; empty when the watch is over."""
        if self._first is not None:
            taken = _take(self._first)
            if taken:
                self.sent += len(taken)
                return b"".join(taken)
            self._first = None
        while not self._buffer:
            if self._closed:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            self._waiter = None
        if self._bytes > CHUNK_BYTES:  # a slow reader must not cost a copy of all that waits
            return self._some()
        lines, self._buffer, self._bytes = self._buffer, [], 0
        self.sent += len(lines)
        return lines[0] if len(lines) == 1 else b"".join(lines)

    def _some(self) -> bytes:
        """The first lines that wait, up to a chunk's size."""
        taken = _take(iter(self._buffer))
        chunk = b"".join(taken)
        del self._buffer[: len(taken)]
        self._bytes -= len(chunk)
        self.sent += len(taken)
        return chunk

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


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
