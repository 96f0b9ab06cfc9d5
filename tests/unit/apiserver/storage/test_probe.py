from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from apiserver.storage.interface import StorageUnavailable
from apiserver.storage.probe import RevisionProbe


class Store:
    """Answers when told to, with what was newest when it was asked."""

    def __init__(self) -> None:
        self.newest = 1
        self.asked: list[int] = []
        self._answer: asyncio.Future[None] | None = None

    async def read(self) -> int:
        self.asked.append(self.newest)
        at = self.newest
        self._answer = asyncio.get_running_loop().create_future()
        await self._answer
        return at

    def answer(self, error: Exception | None = None) -> None:
        assert self._answer is not None
        if error is None:
            self._answer.set_result(None)
        else:
            self._answer.set_exception(error)


@asynccontextmanager
async def running() -> AsyncIterator[tuple[Store, RevisionProbe]]:
    store = Store()
    probe = RevisionProbe(store.read)
    task = asyncio.ensure_future(probe.run())
    yield store, probe
    task.cancel()
    await asyncio.wait([task])


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_those_who_came_before_the_question_share_it() -> None:
    async with running() as (store, probe):
        first = [asyncio.ensure_future(probe.newest()) for _ in range(3)]
        await settle()
        store.newest = 2
        late = [asyncio.ensure_future(probe.newest()) for _ in range(2)]
        await settle()
        assert store.asked == [1]
        store.answer()
        assert await asyncio.gather(*first) == [1, 1, 1]
        await settle()
        assert store.asked == [1, 2]  # the late ones were not given the old answer
        store.answer()
        assert await asyncio.gather(*late) == [2, 2]


async def test_those_who_come_in_the_turn_of_an_answer_share_the_next_question() -> None:
    async with running() as (store, probe):
        first = asyncio.ensure_future(probe.newest())
        await settle()
        waiting = asyncio.ensure_future(probe.newest())
        await settle()
        store.answer()
        joining = asyncio.ensure_future(probe.newest())
        await settle()
        assert store.asked == [1, 1]
        store.answer()
        assert await asyncio.gather(first, waiting, joining) == [1, 1, 1]
        await settle()
        assert store.asked == [1, 1]


async def test_a_failure_is_for_those_who_asked_only() -> None:
    async with running() as (store, probe):
        asking = [asyncio.ensure_future(probe.newest()) for _ in range(2)]
        await settle()
        asking[0].cancel()
        store.answer(StorageUnavailable("away"))
        with pytest.raises(StorageUnavailable):
            await asking[1]
        again = asyncio.ensure_future(probe.newest())
        await settle()
        store.answer()
        assert await again == 1
