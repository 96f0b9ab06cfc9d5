"""One watch: its lines in order, straight to the client or by way of the buffer."""

from __future__ import annotations

import asyncio

import pytest

from apiserver.storage import watchers as watchers_module
from apiserver.storage.encoder import EventType
from apiserver.storage.watchers import Block, Interest, Watcher
from apiserver.storage.window import Cached


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


async def test_blocks_go_straight_to_a_client_that_keeps_up() -> None:
    written: list[bytes] = []
    watcher = Watcher(Interest(), Names(), first=iter([b"1 "]))

    def write(block: Block) -> bool:
        written.extend(block.lines)
        return True

    watcher.write = write
    watcher.push(b"2 ")
    assert written == [], "nobody waits for more yet: what comes first is not written"
    assert [await watcher.next_chunk(), await watcher.next_chunk()] == [b"1 ", b"2 "]
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(watcher.next_chunk())
        await asyncio.sleep(0)
        watcher.push(b"3 ")
        watcher.push(b"4 ")
        assert written == [b"3 ", b"4 "]
        assert watcher.sent == 4
        watcher.close()
    assert reading.result() == b""


async def test_nothing_overtakes_what_a_slow_client_left() -> None:
    written: list[bytes] = []
    slow = True
    watcher = Watcher(Interest(), Names())

    def write(block: Block) -> bool:
        if not slow:
            written.extend(block.lines)
        return not slow

    watcher.write = write
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(watcher.next_chunk())
        await asyncio.sleep(0)
        watcher.push(b"1 ")
        slow = False
        watcher.push(b"2 ")
    assert reading.result() == b"1 2 "
    assert written == []
    assert watcher.sent == 2
