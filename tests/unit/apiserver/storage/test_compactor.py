from __future__ import annotations

import asyncio

import pytest

from apiserver.storage.compactor import COMPACT_SECONDS, compact_for_ever
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
