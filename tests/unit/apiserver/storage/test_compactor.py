from __future__ import annotations

import asyncio

import pytest

from apiserver.storage.compactor import COMPACT_SECONDS, Compactor, compact_for_ever
from apiserver.storage.interface import Compacted
from apiserver.storage.memory import MemoryStorage
from wherry.daemon.clock import FakeClock


async def test_forgets_what_is_older_than_two_rounds() -> None:
    storage, clock = MemoryStorage(), FakeClock()
    old = await storage.create(b"/a", b"1")

    async def rounds(count: int) -> None:
        for _ in range(count):
            while not clock.sleepers:
                await asyncio.sleep(0)
            clock.advance(COMPACT_SECONDS)
            while not clock.sleepers:
                await asyncio.sleep(0)

    task = asyncio.get_running_loop().create_task(compact_for_ever(storage, clock))
    await rounds(1)
    await storage.update(b"/a", b"2", expected=old)
    assert (await storage.range(b"/", b"0", revision=old)).entries
    await rounds(2)
    with pytest.raises(Compacted):
        await storage.range(b"/", b"0", revision=old)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_of_two_compactors_one_works_and_history_lives_a_round() -> None:
    storage = MemoryStorage()
    one, other = Compactor(storage), Compactor(storage)
    old = await storage.create(b"/a", b"1")
    assert [await one.round(), await other.round()] == [0, 0]
    newer = await storage.update(b"/a", b"2", expected=old)
    # Both know the key now; who is first compacts up to the last round's newest revision.
    assert await other.round() == old
    assert await one.round() == 0
    assert await one.round() >= newer
    assert await other.round() == 0
