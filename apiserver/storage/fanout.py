"""Who watches a resource, and how each change reaches them.

Watchers are indexed by what they can be interested in (one object, one node's pods, one namespace,
everything), so a change costs only those. Those who see the same are one audience: a change is encoded
once for all of it, and what gathers until the next round goes to each as the same block of bytes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable, Iterator

from apiserver.storage.watchers import (
    CHUNK_BYTES,
    NODE_FIELD,
    Block,
    FrameEncoder,
    Interest,
    Watcher,
    frame_of,
)
from apiserver.storage.window import Event
from apiserver.tally import Tally

# A pause is so many times as long as the round before it took (what the system calls take comes on top):
# rounds get a share of the time, however many watchers there are and however slow the machine is.
PAUSE_PER_ROUND = 8.0
PAUSE_SECONDS_MAX = 0.05
SIZES = tuple(1024.0 * 2**power for power in range(8))  # for /metrics


class Audience:
    """Watchers that see the same of every change, in the same form.

    Lines gather until a round, or until they are a chunk: then `flush` hands them on.
    """

    __slots__ = ("_encoder", "_interest", "_lines", "_rounds", "_size", "_sizes", "watchers")

    def __init__(
        self, interest: Interest, encoder: FrameEncoder, rounds: Rounds, sizes: Tally[str]
    ) -> None:
        self._interest = interest
        self._encoder = encoder
        self._rounds = rounds
        self._sizes = sizes
        self._lines: list[bytes] = []
        self._size = 0
        self.watchers: set[Watcher] = set()

    def tell(self, event: Event) -> None:
        """Show a change to all of them, if they see it."""
        line = frame_of(event, self._interest, self._encoder)
        if line is None:
            return
        self._lines.append(line)
        self._size += len(line)
        self._sizes.add("", len(line), len(self.watchers))
        if self._size > CHUNK_BYTES:
            self.flush()
        elif len(self._lines) == 1:
            self._rounds.add(self)

    def flush(self) -> None:
        """Hand on what has gathered."""
        if not self._lines:
            return
        block = Block(self._lines, self._size)
        self._lines, self._size = [], 0
        for watcher in self.watchers:
            watcher.give(block)


class Rounds:
    """Flushes audiences at a pace that leaves time for other work.

    A write to one client costs a TLS record and a system call, however many lines it carries. So after
    a round that took long, the next one comes a while later and carries more; when little happens,
    everybody is written to at once.
    """

    def __init__(self) -> None:
        self._waiting: list[Audience] = []
        self._timer: asyncio.Handle | None = None
        self._not_before = 0.0

    def add(self, audience: Audience) -> None:
        """Flush this audience in the next round."""
        self._waiting.append(audience)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            delay = self._not_before - time.perf_counter()
            if delay > 0:
                self._timer = loop.call_later(delay, self._round)
            else:
                self._timer = loop.call_soon(self._round)

    def _round(self) -> None:
        begun = time.perf_counter()
        self._timer = None
        waiting, self._waiting = self._waiting, []
        for audience in waiting:
            audience.flush()
        ended = time.perf_counter()
        self._not_before = ended + min((ended - begun) * PAUSE_PER_ROUND, PAUSE_SECONDS_MAX)


class WatcherIndex:
    """The watchers of one resource, found by what a change touches.

    By topic (the narrowest thing a change must touch to concern them), then by what they see of it.
    """

    def __init__(self, rounds: Rounds | None = None) -> None:
        self._rounds = rounds or Rounds()
        self._by_topic: dict[Hashable, dict[Hashable, Audience]] = {}
        self._count = 0
        self._sent_before = 0  # to watchers that have left
        self.dispatched = 0
        self.terminated = 0  # watchers that were cut off
        self.sizes = Tally[str](SIZES)  # of changes, each counted for everybody told

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
        audience = audiences.get(view)
        if audience is None:
            audience = audiences[view] = Audience(
                watcher.interest, watcher.encoder, self._rounds, self.sizes
            )
        audience.flush()  # what gathered is older than the newcomer
        audience.watchers.add(watcher)
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
        self.terminated += watcher.cut_off
        if not audience.watchers:
            del audiences[view]
            if not audiences:
                del self._by_topic[topic]

    def settle(self) -> None:
        """Hand on all that has gathered: what is pushed to single watchers now comes after it."""
        for audiences in self._by_topic.values():
            for audience in audiences.values():
                audience.flush()

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
