"""Stops containers: preStop hook, signal, wait for the engine's event, SIGKILL at the deadline.

No thread and no request waits for the grace period: the deadline is a timer, the end is an event. A
second `kill` of the same container may only bring the deadline nearer, or say that its turn has come.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from kubelet.pods.plan import Kill
from kubelet.runtime import labels as names
from kubelet.runtime.protocol import Runtime, RuntimeFailure
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

SIGNAL_DEFAULT = "SIGTERM"
# A hook that used the whole grace period leaves the process this much (upstream's value).
AFTER_HOOK_SECONDS_MIN = 2.0
# SIGKILL is sent again at this distance while the container still runs.
INSIST_SECONDS = 2.0

Hook = Callable[[], Awaitable[None]]


@dataclass
class _Killing:
    deadline: float
    turn: asyncio.Event = field(default_factory=asyncio.Event)  # the signal may be sent
    nearer: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Killer:
    """The kills of one pod; its tasks belong to the worker's group."""

    def __init__(self, runtime: Runtime, clock: Clock, tasks: asyncio.TaskGroup) -> None:
        self._runtime = runtime
        self._clock = clock
        self._tasks = tasks
        self._killing: dict[str, _Killing] = {}

    def is_killing(self, container_id: str) -> bool:
        return container_id in self._killing

    def kill(self, kill: Kill, pre_stop: Hook | None) -> None:
        """Begin, or shorten what is under way."""
        deadline = self._clock.monotonic() + kill.grace_seconds
        known = self._killing.get(kill.record.id)
        if known is not None:
            if not kill.held:
                known.turn.set()
            if deadline < known.deadline:
                known.deadline = deadline
                known.nearer.set()
            return
        killing = self._killing[kill.record.id] = _Killing(deadline)
        if not kill.held:
            killing.turn.set()
        killing.task = self._tasks.create_task(
            self._work(kill, killing, pre_stop), name=f"kill-{kill.record.name}"
        )

    def ended(self, container_id: str) -> None:
        """The container does not run (any more)."""
        killing = self._killing.pop(container_id, None)
        if killing is not None:
            killing.ended.set()

    async def _work(self, kill: Kill, killing: _Killing, pre_stop: Hook | None) -> None:
        if pre_stop is not None and kill.grace_seconds > 0:
            await _first_of(pre_stop(), self._wait(killing))
            self._leave_some(killing)
        if not killing.turn.is_set():
            await _first_of(killing.turn.wait(), self._wait(killing))
            self._leave_some(killing)
        if killing.ended.is_set():
            return
        stop_signal = kill.record.labels.get(names.STOP_SIGNAL) or SIGNAL_DEFAULT
        if kill.grace_seconds > 0:
            await self._send(kill, stop_signal)
            await self._wait(killing)
        while not killing.ended.is_set():
            await self._send(kill, "SIGKILL")
            killing.deadline = self._clock.monotonic() + INSIST_SECONDS
            await self._wait(killing)

    def _leave_some(self, killing: _Killing) -> None:
        """Time to end after what came before the signal."""
        least = self._clock.monotonic() + AFTER_HOOK_SECONDS_MIN
        killing.deadline = max(killing.deadline, least)

    async def _send(self, kill: Kill, signal: str) -> None:
        try:
            await self._runtime.signal(kill.record.id, signal)
        except RuntimeFailure as error:
            log.warning("%s of container %s: %s", signal, kill.record.id[:12], error)

    async def _wait(self, killing: _Killing) -> None:
        """Until the container has ended or its deadline, which may come nearer, has passed."""
        while not killing.ended.is_set():
            left = killing.deadline - self._clock.monotonic()
            if left <= 0:
                return
            killing.nearer.clear()
            await _first_of(killing.ended.wait(), killing.nearer.wait(), self._clock.sleep(left))


async def _first_of(*deeds: Awaitable[object]) -> None:
    """Until one of them is done; the others are given up."""
    waits = {asyncio.ensure_future(deed) for deed in deeds}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
