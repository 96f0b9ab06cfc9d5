"""What is known of containers, by events that come in any order."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kubelet.pods.cache import PING_SECONDS, ContainerCache
from kubelet.runtime.labels import Identity
from kubelet.runtime.protocol import ContainerEvent, ContainerRecord, RuntimeUnavailable, State
from wherry.daemon.clock import FakeClock

NOW = datetime(2026, 11, 21, tzinfo=UTC)
RUNNING = ContainerRecord(
    "c1", State.RUNNING, NOW, started_at=NOW, labels=Identity("u", "p", "d", "c", 0).labels("n")
)


class Engine:
    """Says of its one container what it is told to, event by event."""

    def __init__(self, code):
        self.record, self.code = RUNNING, code
        self.queue = asyncio.Queue()

    async def containers(self):
        return [self.record]

    async def inspect(self, container_id):
        return self.record

    async def events(self):
        yield None
        while True:
            action = await self.queue.get()
            if action == "die":
                self.record = replace(RUNNING, state=State.EXITED, exit_code=self.code)
            yield ContainerEvent("c1", action, "u")
            self.queue.task_done()


@pytest.mark.parametrize(
    ("events", "code", "killed"),
    [
        (["oom", "die"], 137, True),
        (["die", "oom"], 137, True),
        (["die"], 137, False),
        (["oom", "die"], 0, False),
    ],
    ids=["told before", "told after", "a kill", "only a child of its died"],
)
async def test_who_ran_out_of_memory(events, code, killed):
    engine = Engine(code)
    cache = ContainerCache(engine, FakeClock(), lambda uid: None)
    task = asyncio.create_task(cache.run())
    await cache.listed.wait()
    for event in events:
        engine.queue.put_nowait(event)
    await asyncio.wait_for(engine.queue.join(), 5)
    assert cache.records("u")[0].oom_killed is killed
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_who_ran_out_of_memory_before_the_engine_listened():
    engine = Engine(137)
    cache = ContainerCache(engine, FakeClock(), lambda uid: None)
    cache.out_of_memory("unknown")  # of another engine on this machine
    with cache.starting("c1"):
        cache.out_of_memory("c1")
    cache.put(replace(RUNNING, state=State.EXITED, exit_code=137))
    assert cache.records("u")[0].oom_killed


class Silent(Engine):
    """Keeps its connections and answers, or does not."""

    def __init__(self):
        super().__init__(0)
        self.answers = True
        self.pings = 0

    async def ping(self):
        self.pings += 1
        if not self.answers:
            raise RuntimeUnavailable("no answer")


async def test_an_engine_that_hangs_is_noticed_and_its_return_too():
    engine, clock, changes = Silent(), FakeClock(), []
    cache = ContainerCache(engine, clock, lambda uid: None, lambda: changes.append(cache.failure))
    task = asyncio.create_task(cache.run())
    await cache.listed.wait()

    async def pass_pings(count):
        wanted = engine.pings + count
        async with asyncio.timeout(5):
            while engine.pings < wanted:
                clock.advance(PING_SECONDS)
                await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)

    await pass_pings(3)
    assert not cache.failure
    engine.answers = False
    await pass_pings(3)
    assert not cache.failure  # a moment is no hang
    await pass_pings(4)
    assert cache.failure == "no answer"
    engine.answers = True
    await pass_pings(1)
    assert changes == ["no answer", ""]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
