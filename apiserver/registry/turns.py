"""Turns: the changes of one object, one after the other within this process.

Optimistic changes of the same object would otherwise meet in the store, where all but one lose and
begin again: with N at once that is N² decisions. Nothing is kept for objects nobody changes. Other API
servers are not asked: against them the store's condition on the revision decides, as always.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Who changes which key, and who waits for it, in the order of arrival.

    The waiting are bounded by the requests in flight.
    """

    def __init__(self) -> None:
        self._waiting: dict[bytes, deque[asyncio.Future[None]]] = {}  # a key here is taken

    def wanted(self, key: bytes) -> bool:
        """Whether somebody waits for the key."""
        return bool(self._waiting.get(key))

    @asynccontextmanager
    async def take(self, key: bytes) -> AsyncIterator[None]:
        """Have the key for oneself; wait for those who came before."""
        line = self._waiting.get(key)
        if line is None:
            self._waiting[key] = deque()
        else:
            await self._wait(key, line)
        try:
            yield
        finally:
            self._pass_on(key)

    async def _wait(self, key: bytes, line: deque[asyncio.Future[None]]) -> None:
        turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given to us as we left
                self._pass_on(key)
            raise

    def _pass_on(self, key: bytes) -> None:
        line = self._waiting[key]
        while line:
            turn = line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._waiting[key]
