"""What really runs: the containers of a pod's name on all engines of a lab, looked at all the time."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from tests.e2e.support import Cluster

POLL_SECONDS = 0.05
ENGINE_SECONDS_MAX = 5
POD_NAME = "io.kubernetes.pod.name"
POD_UID = "io.kubernetes.pod.uid"
NAMESPACE = "io.kubernetes.pod.namespace"
CONTAINER = "io.kubernetes.container.name"


def live(engine: Path, namespace: str) -> dict[str, str]:
    """Pod uid → pod name, of the app containers of a namespace that run on an engine; it may be off.

    A connection for each question: engines die here, and leave nothing to clear away then.
    """
    filters = quote(json.dumps({"label": [f"{NAMESPACE}={namespace}"], "status": ["running"]}))
    with closing(socket.socket(socket.AF_UNIX)) as wire:
        wire.settimeout(ENGINE_SECONDS_MAX)
        asking = http.client.HTTPConnection("engine")
        asking.sock = wire
        try:
            wire.connect(str(engine))
            asking.request("GET", f"/containers/json?filters={filters}")
            with closing(asking.getresponse()) as answer:
                found = json.loads(answer.read()) if answer.status == http.client.OK else []
        except (OSError, http.client.HTTPException, ValueError):
            return {}
    return {
        one["Labels"][POD_UID]: one["Labels"][POD_NAME]
        for one in found
        if one["Labels"].get(CONTAINER) not in (None, "POD")
    }


@dataclass
class World:
    """A context manager: follows a namespace's containers on all engines.

    history: (seconds since the start, pod name → where it runs), one entry per change
    doubled: the names that ever ran twice at a time, and where
    """

    cluster: Cluster
    namespace: str
    history: list[tuple[float, dict[str, list[str]]]] = field(default_factory=list)
    doubled: dict[str, list[str]] = field(default_factory=dict)
    _twice: dict[str, list[str]] = field(default_factory=dict)

    def __enter__(self) -> World:
        folder = self.cluster.directory
        self._engines = {name: folder / name / "docker.sock" for name in self.cluster.machines}
        self._began = time.monotonic()
        self._ending = threading.Event()
        self._look()
        self._thread = threading.Thread(target=self._follow, name="world", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._ending.set()
        self._thread.join(ENGINE_SECONDS_MAX * 4)

    @property
    def now(self) -> dict[str, list[str]]:
        """Pod name → the machines it runs on, as last seen."""
        return self.history[-1][1]

    def _follow(self) -> None:
        while not self._ending.wait(POLL_SECONDS):
            self._look()  # pytest fails the test should this thread fail

    def _look(self) -> None:
        places: dict[str, list[str]] = {}
        for machine, engine in self._engines.items():
            for name in live(engine, self.namespace).values():
                places.setdefault(name, []).append(machine)
        if not self.history or places != self.history[-1][1]:
            self.history.append((time.monotonic() - self._began, places))
        twice = {name: where for name, where in places.items() if len(where) > 1}
        # Engines are asked one after the other: only what is seen by two looks running is no illusion.
        self.doubled |= {n: where for n, where in twice.items() if self._twice.get(n) == where}
        self._twice = twice
