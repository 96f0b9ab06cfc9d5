"""What is known of containers, by events that come in any order."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kubelet.pods.cache import ContainerCache
from kubelet.runtime.labels import Identity
from kubelet.runtime.protocol import ContainerEvent, ContainerRecord, State
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
