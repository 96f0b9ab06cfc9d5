"""Opening a watch anew, on purpose: nothing is lost, and it happens at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

from wherry.api.core_v1 import ConfigMap
from wherry.client.decode import WatchEvent
from wherry.client.informer import Informer
from wherry.client.rest import Client


def config_map(name: str, revision: str) -> ConfigMap:
    metadata = {"name": name, "namespace": "n", "resourceVersion": revision}
    return ConfigMap.from_wire({"metadata": metadata})


class Dead:
    """A server whose first watch is over a connection that nobody noticed is dead."""

    def __init__(self) -> None:
        self.asked_from: list[str] = []
        self.opened = asyncio.Event()
        self.closed = 0

    async def list(self, model: type[ConfigMap], **where: Any) -> Any:
        return SimpleNamespace(items=[config_map("a", "5")], resource_version="5")

    async def watch(
        self, model: type[ConfigMap], *, resource_version: str, **where: Any
    ) -> AsyncIterator[WatchEvent[ConfigMap]]:
        self.asked_from.append(resource_version)
        self.opened.set()
        try:
            if len(self.asked_from) > 1:
                yield WatchEvent("ADDED", config_map("b", "7"))
            await asyncio.Event().wait()
        finally:
            self.closed += 1


async def test_a_watch_that_is_opened_anew_goes_on_where_it_was() -> None:
    server = Dead()
    informer = Informer(cast("Client", server), ConfigMap)
    informer.reconnect()  # nothing is open yet: nothing happens
    task = asyncio.ensure_future(informer.run())
    try:
        async with asyncio.timeout(10):
            await server.opened.wait()
            assert [one.metadata.name for one in informer.list()] == ["a"]
            informer.reconnect()
            informer.reconnect()  # twice is once
            while informer.get("n", "b") is None:
                await asyncio.sleep(0)
        assert server.asked_from == ["5", "5"]
        assert server.closed == 1, "the old connection is given up"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
