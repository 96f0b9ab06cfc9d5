"""A client that follows a collection by watches, resuming where it was, and remembers what it saw."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx

AGAIN_SECONDS = 0.05


class Seen(NamedTuple):
    """One event. `revision` is the object's."""

    type: str
    namespace: str
    name: str
    revision: int


class Follower:
    """`events` grows while `run` runs; `revision` is where the next watch would go on."""

    def __init__(self, client: httpx.AsyncClient, path: str, revision: int, **query: str) -> None:
        self._client = client
        self._path = path
        self._query = {"watch": "1", "allowWatchBookmarks": "true", **query}
        self.revision = revision
        self.events: list[Seen] = []
        self.connections = 0

    async def run(self) -> None:
        """Watch for ever."""
        while True:
            try:
                await self._once()
            except httpx.HTTPError:
                await asyncio.sleep(AGAIN_SECONDS)

    async def _once(self) -> None:
        query = {**self._query, "resourceVersion": str(self.revision)}
        self.connections += 1
        async with self._client.stream("GET", self._path, params=query, timeout=60) as answer:
            if answer.status_code != 200:
                await asyncio.sleep(AGAIN_SECONDS)
                return
            async for line in answer.aiter_lines():
                event = json.loads(line)
                assert event["type"] != "ERROR", event
                self._take(event["type"], event["object"]["metadata"])

    def _take(self, kind: str, metadata: dict[str, Any]) -> None:
        self.revision = int(metadata["resourceVersion"])
        if kind != "BOOKMARK":
            seen = Seen(kind, metadata.get("namespace", ""), metadata["name"], self.revision)
            self.events.append(seen)


async def until(check: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(seconds):
        while not check():
            await asyncio.sleep(0.02)
