"""Which container a request for logs or exec means. Pure; refusals as upstream words them.

Source: upstream's pkg/kubelet/kubelet_pods.go validateContainerLogStatus, server.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kubelet.runtime.protocol import ContainerRecord, State
from wherry.api.core_v1 import ContainerStatus, Pod

_WAITING_WORDS = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


class Refusal(Exception):
    """The request can't be met; `code` is the HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def check_declared(pod: Pod, container: str) -> None:
    """The pod must have a container of this name."""
    spec = pod.spec
    names = {c.name for c in (*spec.containers, *spec.init_containers)}
    names |= {ephemeral.name for ephemeral in spec.ephemeral_containers}
    if container not in names:
        message = f'container "{container}" not found in pod "{pod.metadata.name}"'
        raise Refusal(404, message)


@dataclass(frozen=True)
class Console:
    """How a container's main process was started: what attaching to it must know."""

    tty: bool
    stdin_once: bool


def console_of(pod: Pod, container: str) -> Console:
    spec = pod.spec
    found = {one.name: Console(one.tty, one.stdin_once) for one in spec.containers}
    found |= {one.name: Console(one.tty, one.stdin_once) for one in spec.init_containers}
    found |= {one.name: Console(one.tty, one.stdin_once) for one in spec.ephemeral_containers}
    return found[container]


def for_logs(
    pod: Pod, container: str, records: Iterable[ContainerRecord], *, previous: bool
) -> ContainerRecord:
    """The run whose output is asked for: the newest that began, or the one that ended before it."""
    runs = _runs(container, records)
    began = [run for run in runs if run.started_at is not None]
    if previous:
        ended = [run for run in began if run.has_ended]
        # A container that waits for its restart: the run that failed is the previous one.
        candidates = [run for run in ended if run is not runs[0]] or _ended_while_waiting(
            pod, container, ended
        )
        if not candidates:
            raise Refusal(
                400,
                f'previous terminated container "{container}" in pod "{pod.metadata.name}" not found',
            )
        return candidates[0]
    if began:
        return began[0]
    raise Refusal(400, _waiting_text(pod, container))


def for_exec(container: str, records: Iterable[ContainerRecord]) -> ContainerRecord:
    """The running container."""
    for run in _runs(container, records):
        if run.state is State.RUNNING:
            return run
    raise Refusal(500, f'container not found ("{container}")')


def _runs(container: str, records: Iterable[ContainerRecord]) -> list[ContainerRecord]:
    """A container's runs, newest first."""
    runs = [r for r in records if r.name == container and not r.is_sandbox]
    return sorted(runs, key=lambda run: (run.attempt, run.created_at), reverse=True)


def _ended_while_waiting(
    pod: Pod, container: str, ended: list[ContainerRecord]
) -> list[ContainerRecord]:
    status = _status(pod, container)
    waits = status is not None and status.state.waiting is not None
    return ended[:1] if waits else []


def _status(pod: Pod, container: str) -> ContainerStatus | None:
    statuses = (
        *pod.status.container_statuses,
        *pod.status.init_container_statuses,
        *pod.status.ephemeral_container_statuses,
    )
    return next((status for status in statuses if status.name == container), None)


def _waiting_text(pod: Pod, container: str) -> str:
    status = _status(pod, container)
    subject = f'container "{container}" in pod "{pod.metadata.name}"'
    if status is None:
        return f"{subject} is not available"
    waiting = status.state.waiting
    reason = waiting.reason if waiting is not None else "ContainerCreating"
    return f"{subject} is waiting to start: {_WAITING_WORDS.get(reason, reason)}"
