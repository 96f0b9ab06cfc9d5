"""An engine in this process: real enough for the kubelet's logic, with no container at all.

What a container "runs" is decided by its command: `sleep` runs until signalled, `exit N` ends at
once with N, anything else can't be started. It shares the contract tests with `docker.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from kubelet.runtime import labels as names
from kubelet.runtime.docker_records import applied
from kubelet.runtime.protocol import (
    STDOUT,
    Applied,
    ContainerEvent,
    ContainerRecord,
    EngineInfo,
    ExecResult,
    ImageRecord,
    NotFound,
    RuntimeFailure,
    State,
    Stream,
)
from wherry.daemon.clock import Clock

EVENTS_MAX = 1000
_SIGNALS = {"SIGKILL": 137, "SIGTERM": 143, "SIGINT": 130}


class MemoryRuntime:
    """`protocol.Runtime` without an engine. `registry` holds what can be pulled."""

    def __init__(self, clock: Clock, *, ignores_term: bool = False) -> None:
        self._clock = clock
        self._ignores_term = ignores_term
        self._containers: dict[str, ContainerRecord] = {}
        self._commands: dict[str, list[str]] = {}
        self._names: dict[str, str] = {}
        self._images: dict[str, ImageRecord] = {}
        self._listeners: list[asyncio.Queue[ContainerEvent]] = []
        self._numbers = iter(range(1, 1_000_000))
        self.registry: set[str] = set()

    async def info(self) -> EngineInfo:
        return EngineInfo("0.0.0", "1.41", "cgroupfs", "1", "memory", "0", "amd64")

    async def ping(self) -> None:
        return

    async def containers(self) -> list[ContainerRecord]:
        return list(self._containers.values())

    async def inspect(self, container_id: str) -> ContainerRecord:
        found = self._containers.get(self._names.get(container_id, container_id))
        if found is None:
            raise NotFound(f"No such container: {container_id}")
        return found

    async def events(self) -> AsyncIterator[ContainerEvent | None]:
        queue: asyncio.Queue[ContainerEvent] = asyncio.Queue(EVENTS_MAX)
        self._listeners.append(queue)
        try:
            yield None
            while True:
                yield await queue.get()
        finally:
            self._listeners.remove(queue)

    async def image(self, reference: str) -> ImageRecord | None:
        return self._images.get(reference)

    async def images(self) -> list[ImageRecord]:
        return list({image.id: image for image in self._images.values()}.values())

    async def images_in_use(self) -> set[str]:
        return {record.image_id for record in self._containers.values()}

    async def remove_image(self, image: ImageRecord) -> None:
        if image.id in await self.images_in_use():
            raise RuntimeFailure(f"conflict: unable to delete {image.id}, it is in use")
        self._images = {name: i for name, i in self._images.items() if i.id != image.id}

    async def pull(self, reference: str, auth: Mapping[str, str] | None = None) -> ImageRecord:
        if reference not in self.registry:
            raise NotFound(f"manifest for {reference} not found")
        return self._add_image(reference)

    async def import_image(self, tar: bytes, reference: str, changes: Sequence[str]) -> None:
        self._add_image(reference)

    def _add_image(self, reference: str) -> ImageRecord:
        image = ImageRecord(id=f"sha256:{next(self._numbers):064x}", tags=(reference,), size=1)
        self._images[reference] = self._images[image.id] = image
        return image

    async def create(self, name: str, config: Mapping[str, Any]) -> str:
        if name in self._names:
            raise RuntimeFailure(f'Conflict. The container name "/{name}" is already in use')
        image = self._images.get(config["Image"])
        if image is None:
            raise NotFound(f"No such image: {config['Image']}")
        container_id = f"{next(self._numbers):064x}"
        labels = config["Labels"]
        self._names[name] = container_id
        self._commands[container_id] = [*config.get("Entrypoint", ()), *config.get("Cmd", ())]
        self._containers[container_id] = ContainerRecord(
            id=container_id,
            state=State.CREATED,
            created_at=self._clock.now(),
            image=labels.get(names.IMAGE, config["Image"]),
            image_id=image.id,
            host_network=config["HostConfig"].get("NetworkMode") == "host",
            applied=applied(config["HostConfig"]),
            labels=dict(labels),
        )
        return container_id

    async def start(self, container_id: str) -> None:
        record = await self.inspect(container_id)
        command = self._commands[record.id]
        now = self._clock.now()
        if not record.is_sandbox and command[:1] not in (["sleep"], ["exit"]):
            error = f"exec: {command[:1]}: executable file not found in $PATH"
            self._containers[record.id] = replace(record, error=error, exit_code=127)
            raise RuntimeFailure(error)
        running = replace(record, state=State.RUNNING, started_at=now, pid=next(self._numbers))
        self._containers[record.id] = running
        self._tell(running, "start")
        if command[:1] == ["exit"]:
            self.end(record.id, int(command[1]))

    def end(self, container_id: str, code: int) -> None:
        """The container's process ends by itself."""
        record = self._containers[container_id]
        if record.state is State.RUNNING:
            ended = replace(
                record, state=State.EXITED, exit_code=code, finished_at=self._clock.now(), pid=0
            )
            self._containers[container_id] = ended
            self._tell(ended, "die")

    async def signal(self, container_id: str, signal: str) -> None:
        if container_id in self._containers and not (self._ignores_term and signal != "SIGKILL"):
            self.end(container_id, _SIGNALS.get(signal, 128))

    async def update(self, container_id: str, wanted: Applied) -> None:
        record = await self.inspect(container_id)
        self._containers[record.id] = replace(record, applied=wanted)

    async def remove(self, container_id: str) -> None:
        container_id = self._names.get(container_id, container_id)
        if container_id not in self._containers:
            return
        self.end(container_id, 137)
        record = self._containers.pop(container_id)
        self._names = {name: id for name, id in self._names.items() if id != container_id}
        self._tell(record, "destroy")

    def _tell(self, record: ContainerRecord, action: str) -> None:
        for queue in self._listeners:
            queue.put_nowait(ContainerEvent(record.id, action, record.pod_uid))

    async def _running(self, container_id: str) -> ContainerRecord:
        record = await self.inspect(container_id)
        if record.state is not State.RUNNING:
            raise RuntimeFailure(f"Container {container_id} is not running")
        return record

    async def exec_sync(
        self, container_id: str, command: Sequence[str], timeout: float
    ) -> ExecResult:
        """`exit N` gives N, `echo WORDS` its words, anything else outlasts any deadline."""
        await self._running(container_id)
        if command[:1] == ["exit"]:
            return ExecResult(int(command[1]), b"")
        if command[:1] == ["echo"]:
            return ExecResult(0, " ".join(command[1:]).encode() + b"\n")
        await self._clock.sleep(timeout)
        return ExecResult(None, b"")

    async def exec(
        self, container_id: str, command: Sequence[str], *,
        stdin: bool, stdout: bool, stderr: bool, tty: bool,
    ) -> Stream:  # fmt: skip
        result = await self.exec_sync(container_id, command, 0)
        return _Replay(result.output, result.exit_code or 0)

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> Stream:
        await self._running(container_id)
        return _Replay(b"", 0)

    async def logs(
        self, container_id: str, *,
        follow: bool = False, tail: int | None = None, since: datetime | None = None,
        timestamps: bool = False, stdout: bool = True, stderr: bool = True,
    ) -> AsyncIterator[tuple[int, bytes]]:  # fmt: skip
        await self.inspect(container_id)
        if stdout and tail != 0:
            yield STDOUT, " ".join(self._commands[container_id]).encode() + b"\n"

    async def close(self) -> None:
        return


class _Replay:
    """A process that has already said everything."""

    def __init__(self, output: bytes, code: int) -> None:
        self._output = output
        self._code = code

    async def read(self) -> tuple[int, bytes] | None:
        output, self._output = self._output, b""
        return (STDOUT, output) if output else None

    async def write(self, data: bytes) -> None:
        return

    async def close_stdin(self) -> None:
        return

    async def resize(self, width: int, height: int) -> None:
        return

    async def exit_code(self) -> int:
        return self._code

    async def close(self) -> None:
        return
