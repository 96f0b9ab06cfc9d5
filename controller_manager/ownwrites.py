"""Has the cache caught up with what we ourselves wrote last?

A controller that keeps count in a status, or shares a number out among objects, must not decide on a
state from before its own last write: it would count, or make, a thing twice. So what it writes is
noted by the key it was written for, and that key's next decision waits until the cache shows it. A
write that went unanswered may have been done: then the cache must have all that was written up to
then. What earlier leaders wrote is in the caches before a term begins.

Source: upstream's consistency store (pkg/controller/util/consistency).
"""

from __future__ import annotations

import asyncio
from typing import Generic

from controller_manager.ownership import metadata_of
from wherry.api.errors import ApiError
from wherry.client.decode import M
from wherry.client.informer import Informer
from wherry.client.transport import ApiUnavailable

Refusal = ApiError | ApiUnavailable


class OwnWrites(Generic[M]):
    """Writes of one kind, by the key they were made for. Bounded by the keys: `forget` those that go."""

    def __init__(self, informer: Informer[M]) -> None:
        self._informer = informer
        self._newest: dict[str, str] = {}  # resourceVersions
        self._doubts: dict[str, float] = {}  # when the last unanswered write failed

    def note(self, key: str, written: M) -> None:
        """`written` is what the server answered."""
        self._newest[key] = metadata_of(written).resource_version

    def failed(self, key: str, error: Refusal) -> None:
        """A write ended in this error."""
        if is_unanswered(error):
            self._doubts[key] = asyncio.get_running_loop().time()

    async def shown(self, key: str) -> None:
        """Wait until the cache may be decided on."""
        if key in self._doubts:
            await self._informer.caught_up(self._doubts[key])
        elif key in self._newest:
            await self._informer.shows(self._newest[key])
        self.forget(key)

    def forget(self, key: str) -> None:
        self._newest.pop(key, None)
        self._doubts.pop(key, None)

    def clear(self) -> None:
        """Forget all: a new term of leading begins."""
        self._newest.clear()
        self._doubts.clear()


def is_unanswered(error: Refusal) -> bool:
    """May the write have been done all the same?"""
    return isinstance(error, ApiUnavailable) or error.code >= 500
