"""What every controller is given: the client, the shared caches, a clock, a voice, the options."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from controller_manager.executor import Executor
from controller_manager.informers import Informers
from wherry.client.controller import Controller, QueueMetrics
from wherry.client.events import EventRecorder
from wherry.client.rest import Client
from wherry.client.workqueue import WorkQueue
from wherry.daemon.clock import Clock


class Component(Protocol):
    """A controller: built while standing by (it subscribes to caches), run while leading."""

    async def run(self) -> None: ...


@dataclass
class Context:
    """recorders: the event recorders made so far, to be run."""

    client: Client
    informers: Informers
    clock: Clock
    options: argparse.Namespace
    metrics: QueueMetrics
    recorders: list[EventRecorder] = field(default_factory=list)

    def recorder(self, component: str) -> EventRecorder:
        recorder = EventRecorder(self.client, component)
        self.recorders.append(recorder)
        return recorder

    def executor(self, component: str) -> Executor:
        """Plans carried out, with events in the name of `component`."""
        return Executor(self.client, self.recorder(component))

    def controller(
        self,
        name: str,
        reconcile: Callable[[str], Awaitable[float | None]],
        queue: WorkQueue[str],
        workers: int,
    ) -> Controller[str]:
        return Controller(name, reconcile, queue, workers=workers, metrics=self.metrics)
