"""Stopping a container: hook, signal, deadline."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from kubelet.pods.killer import Killer
from kubelet.pods.plan import Kill
from kubelet.runtime import labels as names
from kubelet.runtime.labels import Identity
from kubelet.runtime.memory import MemoryRuntime
from kubelet.runtime.protocol import State
from wherry.daemon.clock import FakeClock


class World:
    """A running container, and the signals it got."""

    def __init__(self, *, deaf):
        self.clock = FakeClock()
        self.runtime = MemoryRuntime(self.clock, ignores_term=deaf)
        self.signals = []

    async def make(self, labels=None):
        await self.runtime.import_image(b"", "i:1", ())
        identity = Identity("u", "p", "d", "c", 0)
        config = {"Image": "i:1", "Cmd": ["sleep", "9"], "Labels": identity.labels("n") | (labels or {}), "HostConfig": {}}  # fmt: skip
        self.id = await self.runtime.create("c", config)
        await self.runtime.start(self.id)
        send = self.runtime.signal

        async def spy(container_id, signal):
            self.signals.append(signal)
            await send(container_id, signal)

        self.runtime.signal = spy
        return await self.runtime.inspect(self.id)

    async def settle(self):
        for _ in range(20):
            await asyncio.sleep(0)

    async def advance(self, seconds):
        await self.settle()
        self.clock.advance(seconds)
        await self.settle()

    async def ended(self):
        return (await self.runtime.inspect(self.id)).state is State.EXITED


@asynccontextmanager
async def killing(*, deaf=False, labels=None):
    world = World(deaf=deaf)
    record = await world.make(labels)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        world.killer = Killer(world.runtime, world.clock, tasks)
        yield world, record
        world.killer.ended(world.id)


async def test_it_is_asked_to_end():
    async with killing() as (world, record):
        world.killer.kill(Kill(record, 30, ""), None)
        await world.settle()
        assert world.signals == ["SIGTERM"]
        assert await world.ended()


async def test_one_that_does_not_listen_is_killed_in_the_end():
    async with killing(deaf=True) as (world, record):
        world.killer.kill(Kill(record, 5, ""), None)
        await world.advance(4.9)
        assert world.signals == ["SIGTERM"]
        await world.advance(0.2)
        assert world.signals == ["SIGTERM", "SIGKILL"]


async def test_without_grace_it_is_killed_at_once():
    async with killing(deaf=True) as (world, record):
        world.killer.kill(Kill(record, 0, ""), None)
        await world.settle()
        assert world.signals == ["SIGKILL"]


async def test_grace_only_shrinks():
    async with killing(deaf=True) as (world, record):
        world.killer.kill(Kill(record, 30, ""), None)
        await world.advance(1)
        world.killer.kill(Kill(record, 60, ""), None)
        world.killer.kill(Kill(record, 2, ""), None)
        await world.advance(1.9)
        assert world.signals == ["SIGTERM"]
        await world.advance(0.2)
        assert world.signals == ["SIGTERM", "SIGKILL"]


async def test_its_own_stop_signal():
    async with killing(labels={names.STOP_SIGNAL: "SIGINT"}) as (world, record):
        world.killer.kill(Kill(record, 30, ""), None)
        await world.settle()
        assert world.signals == ["SIGINT"]


async def test_before_its_turn_it_runs_its_hook_only():
    async with killing(deaf=True) as (world, record):
        hooks = []

        async def hook():
            hooks.append(world.clock.monotonic())

        world.killer.kill(Kill(record, 30, "", held=True), hook)
        await world.advance(5)
        world.killer.kill(Kill(record, 25, "", held=True), hook)
        await world.settle()
        assert (len(hooks), world.signals) == (1, [])
        world.killer.kill(Kill(record, 25, ""), hook)
        await world.settle()
        assert (len(hooks), world.signals) == (1, ["SIGTERM"])
        await world.advance(25.1)
        assert world.signals == ["SIGTERM", "SIGKILL"]


async def test_when_all_grace_was_spent_on_waiting_for_its_turn_it_has_a_moment():
    async with killing(deaf=True) as (world, record):
        world.killer.kill(Kill(record, 5, "", held=True), None)
        await world.advance(4.9)
        assert world.signals == []
        await world.advance(0.2)
        assert world.signals == ["SIGTERM"]
        await world.advance(1.8)
        assert world.signals == ["SIGTERM"]
        await world.advance(0.3)
        assert world.signals == ["SIGTERM", "SIGKILL"]


@pytest.mark.parametrize(("hook_seconds", "term_at"), [(1, 1), (50, 10)])
async def test_the_hook_comes_first_and_has_no_more_than_the_grace(hook_seconds, term_at):
    async with killing(deaf=True) as (world, record):

        async def hook():
            await world.clock.sleep(hook_seconds)

        world.killer.kill(Kill(record, 10, ""), hook)
        await world.advance(term_at - 0.1)
        assert world.signals == []
        await world.advance(0.2)
        assert world.signals == ["SIGTERM"]
