"""What the kubelet needs of a container engine, and nothing more.

Two implementations: `docker.py` (Docker Engine) and `memory.py` (in this process, for tests); one
set of contract tests runs against both. All values are plain and frozen; the engine's own errors
never leave the adapter.

The engine knows no policy: it neither restarts nor judges; that is `kubelet/pods/plan.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from kubelet.runtime import labels as names
from kubelet.runtime.labels import Identity, identity

STDIN, STDOUT, STDERR = 0, 1, 2
PERIOD_MICROSECONDS = 100_000  # that cpu quotas are of


class RuntimeFailure(Exception):
    """The engine refused or failed; the text is the engine's."""


class NotFound(RuntimeFailure):
    """No such container, image or exec."""


class RuntimeUnavailable(RuntimeFailure):
    """No answer from the engine: not running, or not within the deadline."""


class State(StrEnum):
    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class Applied:
    """Resources a container has: shares, microseconds per 100 ms and bytes (0 = no limit)."""

    cpu_shares: int = 0
    cpu_quota: int = 0
    memory: int = 0


@dataclass(frozen=True, slots=True)
class ContainerRecord:
    """One container as last seen. `error` is the engine's text when it could not be started.

    writable_dir, log_path: where the engine keeps what it writes; empty when it does not tell
    """

    id: str
    state: State
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    pid: int = 0
    image: str = ""
    image_id: str = ""
    host_network: bool = False
    applied: Applied | None = None
    writable_dir: str = ""
    log_path: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> Identity:
        return identity(self.labels)

    @property
    def pod_uid(self) -> str:
        return self.labels.get(names.POD_UID, "")

    @property
    def name(self) -> str:
        """The container's name in the pod."""
        return self.labels.get(names.CONTAINER_NAME, "")

    @property
    def attempt(self) -> int:
        return int(self.labels.get(names.ATTEMPT) or 0)

    @property
    def is_sandbox(self) -> bool:
        return self.labels.get(names.TYPE) == names.TYPE_SANDBOX

    @property
    def sandbox_id(self) -> str:
        return self.labels.get(names.SANDBOX, "")

    @property
    def has_ended(self) -> bool:
        """It ran and stopped, or could never be started."""
        return self.state is State.EXITED or (self.state is State.CREATED and bool(self.error))


@dataclass(frozen=True, slots=True)
class ContainerEvent:
    """Something happened to a container of ours; `action` is one of start, die, destroy, oom."""

    container_id: str
    action: str
    pod_uid: str


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """layers: folders of this machine, the topmost first; empty when the engine does not tell"""

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size: int = 0
    user: str = ""
    stop_signal: str = ""
    layers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecResult:
    """`exit_code` is None when the deadline passed; the process has then been killed."""

    exit_code: int | None
    output: bytes


@dataclass(frozen=True, slots=True)
class EngineInfo:
    version: str
    api_version: str
    cgroup_driver: str
    cgroup_version: str
    os_image: str
    kernel_version: str
    architecture: str
    root_dir: str = ""  # where it keeps its images


class Stream(Protocol):
    """A process's standard streams, as bytes tagged with their channel."""

    async def read(self) -> tuple[int, bytes] | None:
        """The next piece as (STDOUT or STDERR, bytes); None at the end. With a terminal all is STDOUT."""
        ...

    async def write(self, data: bytes) -> None: ...

    async def close_stdin(self) -> None:
        """End of input; output goes on."""
        ...

    async def resize(self, width: int, height: int) -> None: ...

    async def exit_code(self) -> int:
        """Call when `read` has given None."""
        ...

    async def close(self) -> None:
        """Let go of the connection; idempotent."""
        ...


class Runtime(Protocol):
    """The engine. Every call has a deadline and raises only `RuntimeFailure` and its kinds."""

    async def info(self) -> EngineInfo: ...

    async def ping(self) -> None: ...

    async def containers(self) -> list[ContainerRecord]:
        """Every container of this node's kubelet, sandboxes too, in any state."""
        ...

    async def inspect(self, container_id: str) -> ContainerRecord: ...

    def events(self) -> AsyncIterator[ContainerEvent | None]:
        """Events of our containers from now on; first a None: "subscribed, now list". Ends when the engine goes."""
        ...

    async def image(self, reference: str) -> ImageRecord | None:
        """The image if it is here."""
        ...

    async def images(self) -> list[ImageRecord]: ...

    async def images_in_use(self) -> set[str]:
        """Ids of images that any container has, running or not, ours or not."""
        ...

    async def remove_image(self, image: ImageRecord) -> None:
        """Remove it with all its names; refused while a container has it."""
        ...

    async def pull(self, reference: str, auth: Mapping[str, str] | None = None) -> ImageRecord: ...

    async def import_image(self, tar: bytes, reference: str, changes: Sequence[str]) -> None:
        """Make an image of a root file system; `changes` are Dockerfile lines (CMD, ENTRYPOINT...)."""
        ...

    async def create(self, name: str, config: Mapping[str, Any]) -> str:
        """Create a container from Docker's own create arguments (`container_config.py`); its id."""
        ...

    async def start(self, container_id: str) -> None: ...

    async def signal(self, container_id: str, signal: str) -> None:
        """Send a signal ("SIGTERM"); no error when it has ended already."""
        ...

    async def update(self, container_id: str, wanted: Applied) -> None:
        """Change what a container may use while it runs. A limit can't be taken away."""
        ...

    async def remove(self, container_id: str) -> None:
        """Kill if need be and remove, with its anonymous volumes; no error when it is gone."""
        ...

    async def exec_sync(
        self, container_id: str, command: Sequence[str], timeout: float
    ) -> ExecResult:
        """Run a command to its end; at the deadline it is killed. Output is bounded."""
        ...

    async def exec(
        self,
        container_id: str,
        command: Sequence[str],
        *,
        stdin: bool,
        stdout: bool,
        stderr: bool,
        tty: bool,
    ) -> Stream: ...

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> Stream:
        """The main process's streams from now on."""
        ...

    def logs(
        self,
        container_id: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: datetime | None = None,
        timestamps: bool = False,
        stdout: bool = True,
        stderr: bool = True,
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Kept output in order, as (channel, bytes); lines start with an RFC 3339 time if asked."""
        ...

    async def close(self) -> None: ...
