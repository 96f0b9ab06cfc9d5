"""Termination messages of ended containers: from their file, else (if wished) the end of their log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kubelet.pods import restart
from kubelet.pods.files import termination_message
from kubelet.pods.observed import Observed
from kubelet.runtime import labels as names
from kubelet.runtime.protocol import ContainerRecord, Runtime, RuntimeFailure

LOG_LINES_MAX = 80
LOG_BYTES_MAX = 2048
LOG_SECONDS_MAX = 5.0


class Messages:
    """Container id → message; read once per container."""

    def __init__(
        self, runtime: Runtime, tasks: asyncio.TaskGroup, wake: Callable[[], None]
    ) -> None:
        self._runtime = runtime
        self._tasks = tasks
        self._wake = wake
        self._reading: set[str] = set()
        self.texts: dict[str, str] = {}

    @property
    def is_collecting(self) -> bool:
        """Some message is still being read."""
        return bool(self._reading)

    def collect(self, observed: Observed) -> None:
        """Read what is new, forget what is gone."""
        ended = {record.id: record for record in observed.everything() if record.has_ended}
        self.texts = {id: text for id, text in self.texts.items() if id in ended}
        for record in ended.values():
            if record.id in self.texts or record.id in self._reading:
                continue
            text = termination_message(record.labels.get(names.TERMINATION_FILE, ""))
            fallback = record.labels.get(names.TERMINATION_POLICY) == "FallbackToLogsOnError"
            if text or not fallback or restart.exit_code(record) == 0:
                self.texts[record.id] = text
            else:
                self._reading.add(record.id)
                self._tasks.create_task(self._from_log(record), name="termination-message")

    async def _from_log(self, record: ContainerRecord) -> None:
        output = b""
        try:
            async with asyncio.timeout(LOG_SECONDS_MAX):
                async for _, piece in self._runtime.logs(record.id, tail=LOG_LINES_MAX):
                    output = (output + piece)[-LOG_BYTES_MAX:]
        except (RuntimeFailure, TimeoutError) as error:
            output = f"unable to read the container's log: {error}".encode()
        finally:
            self._reading.discard(record.id)
        self.texts[record.id] = output.decode(errors="replace")
        self._wake()
