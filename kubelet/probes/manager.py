"""Probes of all running containers: one task each, one verdict each.

The pod's worker tells what runs (`update`) and asks for verdicts; when a verdict changes the worker
is woken by `on_change`. A container's probes begin anew with its id: a restarted container is a new
one. Liveness and readiness wait until startup has succeeded.

Source: upstream's pkg/kubelet/prober.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from kubelet.probes.records import ProbeRecords
from kubelet.probes.state import (
    Kind,
    Outcome,
    ProbeState,
    Result,
    Spec,
    failure_message,
    initial,
    step,
)
from wherry.api.core_v1 import Container, Pod, Probe
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)


class ProbeRunner(Protocol):
    """Makes one probe (`prober.Prober`)."""

    async def probe(
        self, probe: Probe, container: Container, container_id: str, pod_ip: str
    ) -> Outcome: ...


class _Key(NamedTuple):
    pod_uid: str
    container_id: str
    kind: Kind


@dataclass
class _Worker:
    """One probe of one running container."""

    pod: Pod
    container: Container
    probe: Probe
    spec: Spec
    pod_ip: str
    started_at: datetime
    state: ProbeState
    task: asyncio.Task[None] | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)  # startup has succeeded

    @property
    def named(self) -> tuple[str, str, str]:
        """The pod's namespace, name and uid."""
        meta = self.pod.metadata
        return meta.namespace, meta.name, meta.uid


def probes_of(container: Container) -> Iterator[tuple[Kind, Probe]]:
    for kind, probe in (
        (Kind.STARTUP, container.startup_probe),
        (Kind.LIVENESS, container.liveness_probe),
        (Kind.READINESS, container.readiness_probe),
    ):
        if probe is not None:
            yield kind, probe


def remembered(kind: Kind, pod: Pod, container_id: str) -> ProbeState | None:
    """What the pod's status says of this very container: a restarted kubelet goes on from there, so
    that a ready pod stays ready."""
    for status in (*pod.status.container_statuses, *pod.status.init_container_statuses):
        if status.container_id.rpartition("//")[2] != container_id:
            continue
        good = status.ready if kind is Kind.READINESS else status.started
        if kind is not Kind.LIVENESS and good:
            return ProbeState(Result.SUCCESS)
    return None


class ProbeManager:
    """Runs probes while `run()` runs. `on_unhealthy(pod, container, message)` is for the event."""

    def __init__(
        self,
        runner: ProbeRunner,
        on_change: Callable[[str], None],
        clock: Clock,
        on_unhealthy: Callable[[Pod, str, str], None] = lambda pod, container, message: None,
    ) -> None:
        self.records = ProbeRecords()
        self._runner = runner
        self._on_change = on_change
        self._on_unhealthy = on_unhealthy
        self._clock = clock
        self._workers: dict[_Key, _Worker] = {}
        self._known: dict[str, set[str]] = {}  # pod uid → ids of its running containers
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Own the probes' tasks, until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for key, worker in self._workers.items():
                self._start(key, worker)
            await asyncio.Event().wait()

    def update(
        self, pod: Pod, running: Mapping[str, tuple[str, datetime]], pod_ip: str,
        *, ending: bool = False,
    ) -> None:  # fmt: skip
        """What runs in the pod now: container name → (id, when it started).

        ending: the pod is to stop. It goes on to be told ready or not, but is not held to be alive.
        """
        uid = pod.metadata.uid
        ids = {container_id for container_id, _ in running.values()}
        for key in [k for k in self._workers if k.pod_uid == uid]:
            if key.container_id not in ids or (ending and key.kind is Kind.LIVENESS):
                self._stop(key)
        self._known[uid] = ids
        for container in (*pod.spec.init_containers, *pod.spec.containers):
            if container.name not in running:
                continue
            container_id, started_at = running[container.name]
            for kind, probe in probes_of(container):
                if ending and kind is Kind.LIVENESS:
                    continue
                key = _Key(uid, container_id, kind)
                worker = self._workers.get(key)
                if worker is not None:
                    worker.pod, worker.pod_ip = pod, pod_ip
                    continue
                state = remembered(kind, pod, container_id) or initial(kind)
                worker = _Worker(pod, container, probe, Spec.of(probe), pod_ip, started_at, state)
                if kind is Kind.STARTUP or self.started(uid, container_id):
                    worker.begun.set()
                self._workers[key] = worker
                self._start(key, worker)

    def remove(self, pod_uid: str) -> None:
        """The pod is ending: no more probes."""
        self._known.pop(pod_uid, None)
        for key in [key for key in self._workers if key.pod_uid == pod_uid]:
            self._stop(key)

    def readiness(self, pod_uid: str, container_id: str) -> bool | None:
        """The readiness verdict; None when the container has no such probe (or isn't known)."""
        worker = self._workers.get(_Key(pod_uid, container_id, Kind.READINESS))
        return None if worker is None else worker.state.verdict is Result.SUCCESS

    def started(self, pod_uid: str, container_id: str) -> bool:
        """Has startup succeeded? A running container without such a probe has started."""
        worker = self._workers.get(_Key(pod_uid, container_id, Kind.STARTUP))
        if worker is None:
            return container_id in self._known.get(pod_uid, ())
        return worker.state.verdict is Result.SUCCESS

    def liveness_failed(self, pod_uid: str, container_id: str) -> str | None:
        """Why the container must be restarted; None while it need not be. A failed startup counts."""
        for kind in (Kind.STARTUP, Kind.LIVENESS):
            worker = self._workers.get(_Key(pod_uid, container_id, kind))
            if worker is not None and worker.state.verdict is Result.FAILURE:
                return worker.state.message
        return None

    def _start(self, key: _Key, worker: _Worker) -> None:
        if self._group is not None and worker.task is None:
            worker.task = self._group.create_task(self._work(key, worker))

    def _stop(self, key: _Key) -> None:
        worker = self._workers.pop(key)
        self.records.forget(key.kind, worker.container.name, worker.named)
        if worker.task is not None:
            worker.task.cancel()

    async def _work(self, key: _Key, worker: _Worker) -> None:
        await worker.begun.wait()
        age = (self._clock.now() - worker.started_at).total_seconds()
        # Below 0: the clock was set back, and is not waited for.
        await self._clock.sleep(worker.spec.initial_delay_seconds - max(0.0, age))
        while not self._is_over(key, worker):
            begun = self._clock.monotonic()
            due = begun + worker.spec.period_seconds
            outcome = await self._runner.probe(
                worker.probe, worker.container, key.container_id, worker.pod_ip
            )
            seconds = self._clock.monotonic() - begun
            self.records.add(key.kind, worker.container.name, worker.named, outcome, seconds)
            self._take(key, worker, outcome)
            await self._clock.sleep(due - self._clock.monotonic())

    @staticmethod
    def _is_over(key: _Key, worker: _Worker) -> bool:
        """Startup ends with its verdict; a failed liveness waits for the restart."""
        verdict = worker.state.verdict
        if key.kind is Kind.STARTUP:
            return verdict is not Result.UNKNOWN
        return key.kind is Kind.LIVENESS and verdict is Result.FAILURE

    def _take(self, key: _Key, worker: _Worker, outcome: Outcome) -> None:
        if outcome.result is not Result.SUCCESS:
            message = failure_message(key.kind, outcome)
            log.info("pod %s container %s: %s", key.pod_uid, worker.container.name, message)
            self._on_unhealthy(worker.pod, worker.container.name, message)
        before = worker.state.verdict
        worker.state = step(key.kind, worker.state, outcome, worker.spec)
        if worker.state.verdict is before:
            return
        if key.kind is Kind.STARTUP and worker.state.verdict is Result.SUCCESS:
            for kind in (Kind.LIVENESS, Kind.READINESS):
                waiting = self._workers.get(key._replace(kind=kind))
                if waiting is not None:
                    waiting.begun.set()
        self._on_change(key.pod_uid)
