"""Who is told of a change, in which order, and at what pace."""

from __future__ import annotations

import asyncio

import pytest

from apiserver.storage import fanout
from apiserver.storage.encoder import EventType
from apiserver.storage.fanout import WatcherIndex
from apiserver.storage.watchers import Block, Interest, Watcher
from apiserver.storage.window import Cached, Event
from wherry.api.selectors import parse_field_selector


class Names:
    """Frames are just names; counts how often it is asked."""

    key = "names"

    def __init__(self) -> None:
        self.encoded = 0

    def frame(self, kind: EventType, cached: Cached) -> bytes:
        self.encoded += 1
        return f"{kind[0]}:{cached.name} ".encode()

    def bookmark(self, revision: int, *, initial_end: bool) -> bytes:
        return b"B "


def pod(name: str, namespace: str = "ns", node: str = "") -> Cached:
    fields = {"metadata.name": name, "metadata.namespace": namespace, "spec.nodeName": node}
    item = b'{"metadata":{"resourceVersion":"5","name":"x"}}'
    return Cached(namespace, name, item, 5, {}, fields)


def added(cached: Cached) -> Event:
    return Event("ADDED", cached, None, 5, 0.0)


def fields(text: str, namespace: str = "") -> Interest:
    return Interest(namespace, None, parse_field_selector(text))


@pytest.mark.parametrize(
    ("interest", "expected"),
    [
        pytest.param(Interest(), b"A:a A:b A:a A:c ", id="everything"),
        pytest.param(Interest("ns"), b"A:a A:b ", id="namespace"),
        pytest.param(fields("metadata.name=a", "ns"), b"A:a ", id="one object"),
        pytest.param(fields("metadata.name=a"), b"A:a A:a ", id="one name everywhere"),
        pytest.param(fields("spec.nodeName=n1"), b"A:b A:a ", id="one node"),
        pytest.param(fields("spec.nodeName=n1", "ns"), b"A:b ", id="one node in a namespace"),
        pytest.param(fields("spec.nodeName!=n1"), b"A:a A:c ", id="not one node"),
        pytest.param(fields("spec.nodeName="), b"A:a ", id="no node"),
    ],
)
async def test_dispatch_reaches_who_is_interested(interest: Interest, expected: bytes) -> None:
    index = WatcherIndex()
    watcher = Watcher(interest, Names())
    index.add(watcher)
    for cached in (pod("a"), pod("b", node="n1"), pod("a", "other", "n1"), pod("c", "x", "n2")):
        index.dispatch(added(cached))
    assert await watcher.next_chunk() == expected
    index.remove(watcher)
    assert len(index) == 0


async def test_a_pod_that_moves_to_a_node_reaches_that_nodes_watcher() -> None:
    index = WatcherIndex()
    first, second = (Watcher(fields(f"spec.nodeName=n{i}"), Names()) for i in (1, 2))
    index.add(first)
    index.add(second)
    index.dispatch(Event("MODIFIED", pod("a", node="n2"), pod("a", node="n1"), 6, 0.0))
    assert await first.next_chunk() == b"D:a "
    assert await second.next_chunk() == b"A:a "


async def test_frames_are_encoded_once_for_all() -> None:
    index, encoder = WatcherIndex(), Names()
    watchers = [Watcher(Interest(), encoder) for _ in range(10)]
    for watcher in watchers:
        index.add(watcher)
    index.dispatch(added(pod("a")))
    assert {await watcher.next_chunk() for watcher in watchers} == {b"A:a "}
    assert encoder.encoded == 1


class Reader:
    """A client that keeps up: what it was written, and in which blocks."""

    def __init__(self, watcher: Watcher) -> None:
        self.lines: list[bytes] = []
        self.blocks: list[Block] = []
        self._watcher = watcher
        watcher.write = self._take
        self.reading = asyncio.ensure_future(watcher.next_chunk())

    def _take(self, block: Block) -> bool:
        self.lines += block.lines
        self.blocks.append(block)
        return True

    async def ended(self) -> None:
        self._watcher.close()
        assert await self.reading == b""


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_watchers_of_one_view_share_a_block() -> None:
    index, encoder = WatcherIndex(), Names()
    watchers = [Watcher(Interest("ns"), encoder) for _ in range(3)]
    readers = [Reader(watcher) for watcher in watchers]
    for watcher in watchers:
        index.add(watcher)
    await turns()
    for name in "ab":
        index.dispatch(added(pod(name)))
    await turns()
    assert [reader.lines for reader in readers] == [[b"A:a ", b"A:b "]] * 3
    assert len({id(reader.blocks[0]) for reader in readers}) == 1
    assert encoder.encoded == 2
    for reader in readers:
        await reader.ended()


async def test_what_comes_after_a_round_waits_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "PAUSE_PER_ROUND", 1e9)
    index = WatcherIndex()
    watcher = Watcher(Interest(), Names())
    reader = Reader(watcher)
    index.add(watcher)
    await turns()
    index.dispatch(added(pod("1")))
    await turns()
    assert reader.lines == [b"A:1 "], "the first goes at once"
    index.dispatch(added(pod("2")))
    await turns()
    assert reader.lines == [b"A:1 "]
    index.dispatch(added(pod("3")))
    async with asyncio.timeout(60):
        while len(reader.blocks) < 2:
            await asyncio.sleep(0.005)
    assert reader.blocks[1].lines == [b"A:2 ", b"A:3 "]
    await reader.ended()


async def test_a_chunk_full_waits_for_no_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "CHUNK_BYTES", 7)
    index = WatcherIndex()
    watcher = Watcher(Interest(), Names())
    index.add(watcher)
    for name in "ab":
        index.dispatch(added(pod(name)))
    assert await watcher.next_chunk() == b"A:a A:b "


async def test_a_newcomer_is_told_nothing_that_gathered_before() -> None:
    index = WatcherIndex()
    old, new = (Watcher(Interest(), Names()) for _ in range(2))
    index.add(old)
    index.dispatch(added(pod("a")))
    index.add(new)
    index.dispatch(added(pod("b")))
    index.settle()
    assert await old.next_chunk() == b"A:a A:b "
    assert await new.next_chunk() == b"A:b "


async def test_what_is_pushed_after_settling_comes_last() -> None:
    index = WatcherIndex()
    watcher = Watcher(Interest(), Names())
    index.add(watcher)
    index.dispatch(added(pod("a")))
    index.settle()
    watcher.push(b"B ")
    watcher.close()
    assert await watcher.next_chunk() == b"A:a B "
    assert await watcher.next_chunk() == b""
