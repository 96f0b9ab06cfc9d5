"""The node's containers as last seen: the engine's event stream, and a slow relist under it.

Whoever acts on a container also `put`s what it saw, so nobody waits for an event of their own doing.
An event that was missed is made good by the next relist; a lost engine keeps the last known state.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from kubelet.pods.observed import Observed, observe
from kubelet.runtime.protocol import (
    ContainerEvent,
    ContainerRecord,
    NotFound,
    Runtime,
    RuntimeFailure,
    State,
)
from wherry.daemon.backoff import Backoff
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

RELIST_SECONDS = 60.0
PING_SECONDS = 5.0
# An engine that keeps its connections open and answers nothing is down after so long, as upstream.
SILENT_SECONDS_MAX = 30.0
KILLED_EXIT_CODE = 137  # by SIGKILL, as the kernel's out-of-memory killer does it
# Short: pods that go on as soon as the engine is back need its events.
FOLLOW_AGAIN_SECONDS_MAX = 1.0


def _was_killed(record: ContainerRecord) -> bool:
    return record.state is State.EXITED and record.exit_code == KILLED_EXIT_CODE


class ContainerCache:
    """All containers of ours by pod.

    `on_change` is told the uid of a pod whose containers changed; `on_engine` is called when the
    engine went or came back (see `failure`, empty while all is well); `relisted` is told when all were
    listed (epoch), and how long that took.
    """

    def __init__(
        self,
        runtime: Runtime,
        clock: Clock,
        on_change: Callable[[str], None],
        on_engine: Callable[[], None] = lambda: None,
        relisted: Callable[[float, float], None] = lambda at, seconds: None,
    ) -> None:
        self._relisted = relisted
        self._runtime = runtime
        self._clock = clock
        self._on_change = on_change
        self._on_engine = on_engine
        self._records: dict[str, ContainerRecord] = {}
        self._by_pod: dict[str, set[str]] = {}
        self._starting: set[str] = set()
        self._out_of_memory: set[str] = set()
        self.listed = asyncio.Event()
        self.failure = ""

    def observed(self, pod_uid: str) -> Observed:
        return observe(self.records(pod_uid))

    def records(self, pod_uid: str) -> list[ContainerRecord]:
        return [self._records[id] for id in self._by_pod.get(pod_uid, ())]

    def pod_uids(self) -> set[str]:
        """Pods that have at least one container or sandbox."""
        return set(self._by_pod)

    def record(self, container_id: str) -> ContainerRecord | None:
        return self._records.get(container_id)

    def sandbox_ids(self) -> set[str]:
        return {id for id, record in self._records.items() if record.is_sandbox}

    def put(self, record: ContainerRecord) -> None:
        if record.id in self._out_of_memory and _was_killed(record):
            record = replace(record, oom_killed=True)
        before = self._records.get(record.id)
        if before == record:
            return
        if before is not None and before.has_ended and not record.has_ended:
            return  # an older view that came late
        self._records[record.id] = record
        self._by_pod.setdefault(record.pod_uid, set()).add(record.id)
        self._on_change(record.pod_uid)

    def drop(self, container_id: str) -> None:
        """The container was removed."""
        self._out_of_memory.discard(container_id)
        record = self._records.pop(container_id, None)
        if record is None:
            return
        siblings = self._by_pod[record.pod_uid]
        siblings.discard(container_id)
        if not siblings:
            del self._by_pod[record.pod_uid]
        self._on_change(record.pod_uid)

    @contextmanager
    def starting(self, container_id: str) -> Iterator[None]:
        """While we start a container ourselves, and look at it then, its start is no news."""
        self._starting.add(container_id)
        try:
            yield
        finally:
            self._starting.discard(container_id)

    async def look(self, container_id: str) -> ContainerRecord | None:
        """Ask the engine about one container and remember the answer; None when it is gone."""
        try:
            record = await self._runtime.inspect(container_id)
        except NotFound:
            self.drop(container_id)
            return None
        self.put(record)
        return record

    async def relist(self) -> None:
        before, begun = set(self._records), self._clock.monotonic()
        self._replace(await self._runtime.containers(), before)
        self._relisted(self._clock.now().timestamp(), self._clock.monotonic() - begun)
        self._engine("")
        self.listed.set()

    def _engine(self, failure: str) -> None:
        changed = bool(failure) is not bool(self.failure)
        self.failure = failure
        if failure:
            log.warning("container engine: %s", failure)
        if changed:
            self._on_engine()

    def _replace(self, records: Iterable[ContainerRecord], before: set[str]) -> None:
        """What was put while we were listing is newer than the list: only `before` may vanish."""
        found = {record.id: record for record in records}
        for gone in before - set(found):
            self.drop(gone)
        for record in found.values():
            self.put(record)

    async def run(self) -> None:
        """Follow the engine until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(), name="engine-events")
            tasks.create_task(self._relist_slowly(), name="engine-relist")
            tasks.create_task(self._ping(), name="engine-ping")

    async def _follow(self) -> None:
        backoff = Backoff(0.1, 2.0, FOLLOW_AGAIN_SECONDS_MAX)
        while True:
            try:
                async for event in self._runtime.events():
                    backoff.reset()
                    if event is None:
                        await self.relist()
                    else:
                        await self._take(event)
                log.warning("the engine ended its event stream")
            except RuntimeFailure as error:
                self._engine(str(error))
            await self._clock.sleep(backoff.next())

    async def _ping(self) -> None:
        """An engine that hangs ends no stream and refuses nothing: only asking shows it."""
        answered = self._clock.monotonic()
        while True:
            await self._clock.sleep(PING_SECONDS)
            try:
                await self._runtime.ping()
                answered = self._clock.monotonic()
                if self.failure:
                    await self.relist()
            except RuntimeFailure as error:
                if self._clock.monotonic() - answered >= SILENT_SECONDS_MAX:
                    self._engine(str(error))

    def out_of_memory(self, container_id: str) -> None:
        """A process of it was killed for want of memory.

        The engine may hear of it after the container's end, and then does not tell it there, or, when
        the container had only just begun, never; the kernel tells it always (`node/kernel_log.py`).
        """
        known = self._records.get(container_id)
        if known is not None or container_id in self._starting:
            self._out_of_memory.add(container_id)
        if known is not None:
            self.put(known)

    async def _take(self, event: ContainerEvent) -> None:
        known = self._records.get(event.container_id)
        if event.action == "destroy":
            self.drop(event.container_id)
        elif event.action == "oom":
            self.out_of_memory(event.container_id)
        elif event.action == "start" and event.container_id in self._starting:
            return
        elif event.action != "start" or known is None or known.state is State.CREATED:
            # (A start that is known already was our own.)
            await self.look(event.container_id)

    async def _relist_slowly(self) -> None:
        while True:
            await self._clock.sleep(RELIST_SECONDS)
            try:
                await self.relist()
            except RuntimeFailure as error:
                self._engine(str(error))
