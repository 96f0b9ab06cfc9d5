from __future__ import annotations

import asyncio

import pytest

from apiserver.storage import watchers as watchers_module
from apiserver.storage.encoder import EventType
from apiserver.storage.watchers import Interest, Pacer, Watcher, WatcherIndex
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


async def test_who_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchers_module, "BUFFER_FRAMES_MAX", 3)
    watcher = Watcher(Interest(), Names())
    for _ in range(3):
        watcher.push(b"A:a ")
    assert not watcher.cut_off
    watcher.push(b"A:a ")
    assert watcher.cut_off
    assert await watcher.next_chunk() == b""


async def test_first_lines_come_before_changes_and_a_close_drains() -> None:
    watcher = Watcher(Interest(), Names(), first=iter([b"1 ", b"2 "]))
    watcher.push(b"A:a ")
    assert await watcher.next_chunk() == b"1 2 "
    watcher.close()
    assert await watcher.next_chunk() == b"A:a "
    assert await watcher.next_chunk() == b""


async def test_what_waits_long_comes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchers_module, "CHUNK_BYTES", 7)
    watcher = Watcher(Interest(), Names())
    for name in "abcde":
        watcher.push(f"A:{name} ".encode())
    watcher.close()
    chunks = []
    while chunk := await watcher.next_chunk():
        chunks.append(chunk)
    assert chunks == [b"A:a A:b ", b"A:c A:d ", b"A:e "]


async def test_waits_until_something_comes() -> None:
    watcher = Watcher(Interest(), Names())
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(watcher.next_chunk())
        await asyncio.sleep(0)
        watcher.push(b"x")
    assert reading.result() == b"x"


async def test_watchers_of_one_view_share_a_chunk() -> None:
    index, encoder, pacer = WatcherIndex(), Names(), Pacer()
    watchers = [Watcher(Interest("ns"), encoder) for _ in range(3)]
    for watcher in watchers:
        watcher.pacer = pacer
        index.add(watcher)
    for name in "ab":
        index.dispatch(added(pod(name)))
    chunks = [await watcher.next_chunk() for watcher in watchers]
    assert chunks == [b"A:a A:b "] * 3
    assert len({id(chunk) for chunk in chunks}) == 1


async def test_what_comes_after_a_round_waits_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchers_module, "ROUND_SECONDS_PER_WATCHER", 0.05)
    watcher = Watcher(Interest(), Names())
    watcher.pacer = Pacer()
    watcher.push(b"1 ")
    assert await watcher.next_chunk() == b"1 "
    await asyncio.sleep(0)
    watcher.push(b"2 ")
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(watcher.next_chunk())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not reading.done()
        watcher.push(b"3 ")
    assert reading.result() == b"2 3 "


async def test_a_closed_watcher_waits_for_no_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchers_module, "ROUND_SECONDS_PER_WATCHER", 3600.0)
    monkeypatch.setattr(watchers_module, "ROUND_SECONDS_MAX", 3600.0)
    watcher = Watcher(Interest(), Names())
    watcher.pacer = Pacer()
    watcher.push(b"1 ")
    assert await watcher.next_chunk() == b"1 "
    for _ in range(5):
        await asyncio.sleep(0)
    watcher.push(b"2 ")
    watcher.close()
    assert await watcher.next_chunk() == b"2 "
    assert await watcher.next_chunk() == b""
