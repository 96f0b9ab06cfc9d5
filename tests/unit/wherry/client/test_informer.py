"""Opening a watch anew, on purpose: nothing is lost, it happens at once, and tells when all is in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

from wherry.api.core_v1 import ConfigMap
from wherry.client import informer as informers
from wherry.client.decode import WatchEvent
from wherry.client.informer import Informer
from wherry.client.rest import Client
from wherry.client.transport import ApiUnavailable


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


class Server:
    """Has changes that a watch shows only when it is told to; it can be away."""

    def __init__(self) -> None:
        self.revision = 5
        self.opened = 0
        self.away = False
        self.may_speak = asyncio.Event()
        self.may_speak.set()

    async def list(self, model: type[ConfigMap], **where: Any) -> Any:
        return SimpleNamespace(items=[config_map("a", "5")], resource_version="5")

    async def watch(
        self, model: type[ConfigMap], *, resource_version: str, progress: bool, **where: Any
    ) -> AsyncIterator[WatchEvent[ConfigMap]]:
        assert progress
        self.opened += 1
        if self.away:
            raise ApiUnavailable("away")
        await self.may_speak.wait()
        for revision in range(int(resource_version) + 1, self.revision + 1):
            yield WatchEvent("ADDED", config_map(f"made-at-{revision}", str(revision)))
        yield WatchEvent("BOOKMARK", config_map("", str(self.revision)))
        await asyncio.Event().wait()


@asynccontextmanager
async def following(server: Server) -> AsyncIterator[Informer[ConfigMap]]:
    informer = Informer(cast("Client", server), ConfigMap)
    task = asyncio.ensure_future(informer.run())
    try:
        async with asyncio.timeout(20):
            await informer.synced()
            yield informer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_all_that_was_written_is_in() -> None:
    server = Server()
    async with following(server) as informer:
        await informer.caught_up(0.0)
        assert server.opened == 1, "a watch that is new enough is not opened anew"
        server.revision = 7  # nobody tells the open watch
        await informer.caught_up(now())
        assert informer.get("n", "made-at-7") is not None
        assert server.opened == 2


async def test_not_before_the_server_says_so() -> None:
    server = Server()
    server.may_speak.clear()
    async with following(server) as informer:
        waiting = asyncio.ensure_future(informer.caught_up(0.0))
        while not server.opened:
            await asyncio.sleep(0)
        assert not waiting.done()
        server.may_speak.set()
        await waiting


async def test_one_who_waits_is_not_kept_by_the_back_off(monkeypatch: Any) -> None:
    monkeypatch.setattr(informers, "RETRY_SECONDS_MIN", 3600.0)
    monkeypatch.setattr(informers, "RETRY_SECONDS_MAX", 3600.0)
    server = Server()
    server.away = True
    async with following(server) as informer:
        while not server.opened:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        server.away = False
        await informer.caught_up(now())


async def test_a_write_of_ones_own_is_shown(monkeypatch: Any) -> None:
    server = Server()
    async with following(server) as informer:
        await informer.shows("5")
        monkeypatch.setattr(informers, "SHOW_SECONDS_MAX", 0.05)
        server.revision = 9  # the watch hangs
        await informer.shows("9")
        assert informer.get("n", "made-at-9") is not None
        assert server.opened == 2


async def test_a_store_that_was_set_back_keeps_nobody_waiting(monkeypatch: Any) -> None:
    monkeypatch.setattr(informers, "SHOW_SECONDS_MAX", 0.05)
    async with following(Server()) as informer:
        await informer.shows("1000")
        assert informer.revision == "5"
