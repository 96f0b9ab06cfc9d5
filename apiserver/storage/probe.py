"""Learning the store's newest revision for many readers at the price of one question.

A reader may share a question only if it arrived before the question was sent: then the answer is at
least as new as everything that was written before the reader came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from apiserver.storage.interface import StorageError


class RevisionProbe:
    """Coalesces calls of `read`. One question is in flight at a time; late comers share the next."""

    def __init__(self, read: Callable[[], Awaitable[int]]) -> None:
        self._read = read
        self._waiting: list[asyncio.Future[int]] = []
        self._wanted = asyncio.Event()

    async def newest(self) -> int:
        """A revision that is not older than this call. Raises StorageError."""
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self._wanted.set()
        return await answer

    async def run(self) -> None:
        """Ask whenever somebody waits."""
        while True:
            await self._wanted.wait()
            # Readers whose requests came in with the last answer run in this turn: let them join.
            await asyncio.sleep(0)
            self._wanted.clear()
            waiting, self._waiting = self._waiting, []
            try:
                revision = await self._read()
            except StorageError as error:
                for answer in waiting:
                    if not answer.done():
                        answer.set_exception(error)
            else:
                for answer in waiting:
                    if not answer.done():
                        answer.set_result(revision)
