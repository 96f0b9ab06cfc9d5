"""Docker Engine as the kubelet's runtime.

Short calls go over asyncio on kept connections (`engine_calls.py`), what streams or waits on connections
of its own (`engine_http.py`): no thread is ever held by a container that just runs, or by an engine that
does not answer. (The docker SDK holds one per call and takes some milliseconds of our CPU for each; images
come by it, `docker_images.py`.)
"""

from __future__ import annotations

import asyncio
import os
import signal as signals
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import quote

import orjson

from kubelet.runtime import docker_records as records
from kubelet.runtime import labels as names
from kubelet.runtime.docker_images import DockerImages
from kubelet.runtime.docker_streams import Demultiplexer, DockerStream, read_bounded
from kubelet.runtime.engine_calls import Called, EngineCalls
from kubelet.runtime.engine_http import EngineHttp, Response
from kubelet.runtime.protocol import (
    PERIOD_MICROSECONDS,
    Applied,
    ContainerEvent,
    ContainerRecord,
    EngineInfo,
    ExecResult,
    ImageRecord,
    NotFound,
    RuntimeFailure,
    RuntimeUnavailable,
)

# Docker Engine 20.10's, the oldest we support; newer engines may insist on a later one.
API_VERSION = "1.41"
IMPORT_SECONDS_MAX = 60.0  # between two words about it
EXEC_OUTPUT_BYTES_MAX = 10 * 1024
LATE_SECONDS = 1.0  # an engine that answers does so in milliseconds
EVENT_ACTIONS = ("start", "die", "destroy", "oom")


class DockerRuntime:
    """`protocol.Runtime` on Docker Engine. `node` is the value of our label on every container."""

    def __init__(
        self, socket_path: str, node: str, called: Called = lambda *call, failed: None
    ) -> None:
        self._node = node
        self._http = EngineHttp(socket_path, API_VERSION)
        self._calls = EngineCalls(socket_path, API_VERSION, called)
        self._images = DockerImages(socket_path, called)
        # Records whose state can't have changed since (see `containers`).
        self._known: dict[str, ContainerRecord] = {}

    async def info(self) -> EngineInfo:
        """And from now on speak a version of the API that the engine speaks, too."""
        version = await self._calls.call("GET", "/version", plain=True)
        spoken = records.api_version(API_VERSION, version.get("MinAPIVersion") or "")
        self._calls.speak(spoken)
        self._http.speak(spoken)
        return records.engine_info(version, await self._calls.call("GET", "/info"))

    async def ping(self) -> None:
        await self._calls.ping()

    async def containers(self) -> list[ContainerRecord]:
        """Listing is cheap but thin, inspecting is neither: inspect only what may have changed."""
        filters = orjson.dumps({"label": [f"{names.NODE}={self._node}"]}).decode()
        rows = await self._calls.call("GET", "/containers/json", {"all": 1, "filters": filters})
        found = []
        for row in rows:
            known = self._known.get(row["Id"])
            # A start that failed leaves the state "created": look again.
            if (
                known is None
                or row["State"] == "created"
                or known.state is not records.state_of(row["State"])
            ):
                try:
                    known = await self.inspect(row["Id"])
                except NotFound:
                    continue
            found.append(known)
        self._known = {record.id: record for record in found}
        return found

    async def inspect(self, container_id: str) -> ContainerRecord:
        record = records.container_record(
            await self._calls.call("GET", f"/containers/{container_id}/json")
        )
        self._known[record.id] = record
        return record

    async def events(self) -> AsyncIterator[ContainerEvent | None]:
        filters = {
            "type": ["container"],
            "event": list(EVENT_ACTIONS),
            "label": [f"{names.NODE}={self._node}"],
        }
        response = await self._http.open(
            "GET", "/events", {"filters": orjson.dumps(filters).decode()}
        )
        try:
            yield None
            async for line in response.lines():
                event = orjson.loads(line)
                actor = event["Actor"]
                yield ContainerEvent(
                    actor["ID"], event["Action"], actor["Attributes"].get(names.POD_UID, "")
                )
        finally:
            await response.close()

    async def image(self, reference: str) -> ImageRecord | None:
        try:
            return records.image_record(
                await self._calls.call("GET", f"/images/{quote(reference)}/json")
            )
        except NotFound:
            return None

    async def images(self) -> list[ImageRecord]:
        return [records.image_record(row) for row in await self._calls.call("GET", "/images/json")]

    async def images_in_use(self) -> set[str]:
        rows = await self._calls.call("GET", "/containers/json", {"all": 1})
        return {row["ImageID"] for row in rows}

    async def remove_image(self, image: ImageRecord) -> None:
        # By each of its names: an image with several is not removed by its id.
        for reference in (*image.tags, *image.digests, image.id):
            with suppress(NotFound):
                await self._images.remove(reference)

    async def pull(self, reference: str, auth: Mapping[str, str] | None = None) -> ImageRecord:
        await self._images.pull(reference, auth or {})
        image = await self.image(reference)
        if image is None:
            raise RuntimeFailure(f"image {reference} is not there after its pull")
        return image

    async def import_image(self, tar: bytes, reference: str, changes: Sequence[str]) -> None:
        repository, _, tag = reference.rpartition(":")
        query = {"fromSrc": "-", "repo": repository, "tag": tag, "changes": list(changes)}
        response = await self._http.open(
            "POST", "/images/create", query, tar=tar, answer_seconds=IMPORT_SECONDS_MAX
        )
        await _to_its_end(response, f"importing {reference}")

    async def create(self, name: str, config: Mapping[str, Any]) -> str:
        made = await self._calls.call("POST", "/containers/create", {"name": name}, dict(config))
        return str(made["Id"])

    async def start(self, container_id: str) -> None:
        await self._calls.call("POST", f"/containers/{container_id}/start")

    async def signal(self, container_id: str, signal: str) -> None:
        try:
            await self._calls.call("POST", f"/containers/{container_id}/kill", {"signal": signal})
        except NotFound:
            return
        except RuntimeFailure as error:
            if "is not running" not in str(error):
                raise

    async def update(self, container_id: str, wanted: Applied) -> None:
        # Without swap, as at its creation. Docker takes 0 for "as it is".
        body = {
            "CpuShares": wanted.cpu_shares,
            "CpuPeriod": PERIOD_MICROSECONDS if wanted.cpu_quota else 0,
            "CpuQuota": wanted.cpu_quota,
            "Memory": wanted.memory,
            "MemorySwap": wanted.memory,
        }
        await self._calls.call("POST", f"/containers/{container_id}/update", None, body)

    async def remove(self, container_id: str) -> None:
        self._known.pop(container_id, None)
        try:
            await self._calls.call("DELETE", f"/containers/{container_id}", {"v": 1, "force": 1})
        except NotFound:
            return
        except RuntimeFailure as error:
            if "already in progress" not in str(error):
                raise

    async def _start_exec(
        self, container_id: str, command: Sequence[str], *,
        stdin: bool, stdout: bool, stderr: bool, tty: bool,
    ) -> tuple[str, DockerStream]:  # fmt: skip
        body = {
            "Cmd": list(command), "Tty": tty, "AttachStdin": stdin, "AttachStdout": stdout,
            "AttachStderr": stderr and not tty,
        }  # fmt: skip
        made = await self._calls.call("POST", f"/containers/{container_id}/exec", None, body)
        exec_id = str(made["Id"])
        response = await self._http.open(
            "POST", f"/exec/{exec_id}/start", body={"Detach": False, "Tty": tty}, hijack=True
        )

        async def exit_code() -> int:
            found = await self._calls.call("GET", f"/exec/{exec_id}/json")
            return int(found["ExitCode"] or 0)

        async def resize(width: int, height: int) -> None:
            with suppress(RuntimeFailure):
                size = {"h": height, "w": width}
                await self._calls.call("POST", f"/exec/{exec_id}/resize", size)

        return exec_id, DockerStream(response, tty=tty, exit_code=exit_code, resize=resize)

    async def exec_sync(
        self, container_id: str, command: Sequence[str], timeout: float
    ) -> ExecResult:
        exec_id, stream = await self._start_exec(
            container_id, command, stdin=False, stdout=True, stderr=True, tty=False
        )
        output = bytearray()
        try:
            async with asyncio.timeout(timeout):
                await read_bounded(stream, output, EXEC_OUTPUT_BYTES_MAX)
                code: int | None = await stream.exit_code()
        except TimeoutError:
            code = await self._overdue(exec_id)
        finally:
            await stream.close()
        return ExecResult(code, bytes(output))

    async def _overdue(self, exec_id: str) -> int | None:
        """End a command whose time is over; its exit code if it had ended and nobody told us.

        No API call kills an exec; its process is a process of this machine. RuntimeUnavailable when the
        engine stood still: then the time was lost by it, which says nothing of the command.
        """
        begun = asyncio.get_running_loop().time()
        with suppress(NotFound, ProcessLookupError):
            found = await self._calls.call("GET", f"/exec/{exec_id}/json")
            if not found["Running"] and found["ExitCode"] is not None:
                return int(found["ExitCode"])
            if found["Pid"]:
                os.kill(found["Pid"], signals.SIGKILL)
        if asyncio.get_running_loop().time() - begun > LATE_SECONDS:
            raise RuntimeUnavailable("the engine did not answer while a command ran")
        return None

    async def exec(
        self, container_id: str, command: Sequence[str], *,
        stdin: bool, stdout: bool, stderr: bool, tty: bool,
    ) -> DockerStream:  # fmt: skip
        _, stream = await self._start_exec(
            container_id, command, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty
        )
        return stream

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> DockerStream:
        query = {"stream": 1, "stdin": int(stdin), "stdout": 1, "stderr": 1}
        response = await self._http.open(
            "POST", f"/containers/{container_id}/attach", query, hijack=True
        )

        async def exit_code() -> int:
            return (await self.inspect(container_id)).exit_code

        async def resize(width: int, height: int) -> None:
            with suppress(RuntimeFailure):
                size = {"h": height, "w": width}
                await self._calls.call("POST", f"/containers/{container_id}/resize", size)

        return DockerStream(response, tty=tty, exit_code=exit_code, resize=resize)

    async def logs(
        self, container_id: str, *,
        follow: bool = False, tail: int | None = None, since: datetime | None = None,
        timestamps: bool = False, stdout: bool = True, stderr: bool = True,
    ) -> AsyncIterator[tuple[int, bytes]]:  # fmt: skip
        inspected = await self._calls.call("GET", f"/containers/{container_id}/json")
        query = {
            "follow": int(follow), "stdout": int(stdout), "stderr": int(stderr),
            "timestamps": int(timestamps), "tail": "all" if tail is None else tail,
        }  # fmt: skip
        if since is not None:
            query["since"] = f"{since.timestamp():.6f}"
        response = await self._http.open("GET", f"/containers/{container_id}/logs", query)
        frames = Demultiplexer(tty=inspected["Config"]["Tty"])
        try:
            async for piece in response.pieces():
                for frame in frames.feed(piece):
                    yield frame
        finally:
            await response.close()

    async def close(self) -> None:
        self._calls.close()


async def _to_its_end(response: Response, what: str) -> None:
    """Read what the engine tells of its progress; RuntimeFailure when it failed or stands still."""
    lines = response.lines()
    try:
        while True:
            async with asyncio.timeout(IMPORT_SECONDS_MAX):
                line = await anext(lines, None)
            if line is None:
                return
            error = orjson.loads(line).get("error")
            if error:
                raise RuntimeFailure(str(error))
    except TimeoutError as error:
        raise RuntimeUnavailable(f"{what} made no progress") from error
    finally:
        await response.close()
