"""Turns: the changes of one object, one after the other within this process.

Optimistic changes of the same object would otherwise meet in the store, where all but one lose and
begin again: with N at once that is N² decisions. Nothing is kept for objects nobody changes. Other API
servers are not asked: against them the store's condition on the revision decides, as always.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Turn:
    """Holds a key while its body runs. A class of its own: a generator would cost every change more."""

    __slots__ = ("_key", "_turns")

    def __init__(self, turns: Turns, key: bytes) -> None:
        self._turns = turns
        self._key = key

    async def __aenter__(self) -> None:
        await self._turns.begin(self._key)

    async def __aexit__(self, *_: object) -> None:
        self._turns.end(self._key)


class Turns:
    """Who changes which key, and who waits for it, in the order of arrival.

    The waiting are bounded by the requests in flight.
    """

    def __init__(self) -> None:
        self._waiting: dict[bytes, deque[asyncio.Future[None]]] = {}  # a key here is taken

    def wanted(self, key: bytes) -> bool:
        """Whether somebody waits for the key."""
        return bool(self._waiting.get(key))

    def take(self, key: bytes) -> Turn:
        """Have the key for oneself, by `async with`; wait for those who came before."""
        return Turn(self, key)

    async def begin(self, key: bytes) -> None:
        """Wait until the key is ours."""
        line = self._waiting.get(key)
        if line is None:
            self._waiting[key] = deque()
        else:
            await self._wait(key, line)

    async def _wait(self, key: bytes, line: deque[asyncio.Future[None]]) -> None:
        turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given to us as we left
                self.end(key)
            raise

    def end(self, key: bytes) -> None:
        """Give the key to whoever came next."""
        line = self._waiting[key]
        while line:
            turn = line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._waiting[key]
