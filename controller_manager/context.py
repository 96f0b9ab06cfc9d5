"""What every controller is given: the client, the shared caches, a clock, a voice, the options."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, runtime_checkable

from prometheus_client import CollectorRegistry

from controller_manager.executor import Executor, NamespaceGoes
from controller_manager.informers import Informers
from wherry.api.model import TypedModel
from wherry.client.controller import Controller
from wherry.client.events import EventRecorder
from wherry.client.informer import Informer
from wherry.client.metrics import QueueMetrics
from wherry.client.rest import Client
from wherry.client.store import key_of
from wherry.client.workqueue import WorkQueue
from wherry.daemon.clock import Clock

M = TypeVar("M", bound=TypedModel)


class Component(Protocol):
    """A controller: built while standing by (it subscribes to caches), run while leading."""

    async def run(self) -> None: ...


@runtime_checkable
class Attentive(Protocol):
    """A controller that also does something while it stands by; it writes nothing then."""

    async def stand_by(self) -> None: ...


@dataclass
class Context:
    """metrics: of the queues; controllers put others into the registry. recorders: the event recorders made so far, to be run."""

    client: Client
    informers: Informers
    clock: Clock
    options: argparse.Namespace
    metrics: QueueMetrics
    registry: CollectorRegistry
    recorders: list[EventRecorder] = field(default_factory=list)

    def recorder(self, component: str) -> EventRecorder:
        recorder = EventRecorder(self.client, component)
        self.recorders.append(recorder)
        return recorder

    def executor(self, component: str) -> Executor:
        """Plans carried out, with events in the name of `component`."""
        return Executor(self.client, self.recorder(component))

    async def work(
        self,
        name: str,
        reconcile: Callable[[str], Awaitable[float | None]],
        queue: WorkQueue[str],
        workers: int,
        keys: Iterable[str],
    ) -> None:
        """Work the queue for one term of leading, beginning with `keys`.

        An earlier term may have ended amid a reconcile, whose key nobody would bring back.
        """

        async def once(key: str) -> float | None:
            try:
                return await reconcile(key)
            except NamespaceGoes:  # so does the object, and what was to be made would, too
                return None

        meter = self.metrics.of(name, queue.__len__)
        controller = Controller(name, once, queue, workers=workers, meter=meter)
        for key in keys:
            queue.add(key)
        await controller.run()


def keys_of(informer: Informer[M]) -> list[str]:
    """The keys of all objects in a cache."""
    return [key_of(obj) for obj in informer.list()]
