"""A pod's status from what is known of its containers. Pure.

Only the fields a kubelet owns are computed; conditions of others, qosClass and the like stay as they
are on the server. Times of conditions move only when their status does.

Source: upstream's kubelet_pods.go (generateAPIPodStatus, getPhase, convertStatusToAPIStatus) and
status/generate.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from kubelet.pods import containers, resize, restart, rounds
from kubelet.pods.conditions import conditions, disruption, resize_conditions, restarting
from kubelet.pods.observed import Observed
from kubelet.runtime.protocol import ContainerRecord, State
from wherry.api.core_v1 import (
    Container,
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    ContainerUser,
    HostIP,
    Pod,
    PodCondition,
    PodIP,
    PodStatus,
    VolumeMountStatus,
)

EVICTED = "Evicted"
RUNTIME_PREFIX = "docker://"
_EPOCH = datetime.fromtimestamp(0, UTC)
# All termination messages of a pod together are no longer than this, shared evenly among containers.
MESSAGES_BYTES_MAX = 12 * 1024
LOST_REASON, LOST_EXIT_CODE = "ContainerStatusUnknown", 137


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a container does not run (yet)."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """Everything a status depends on.

    waiting:  name → why, for containers whose pull, configuration or start failed
    in_hook:  ids of running containers whose postStart has not ended: they do not count as running
    ready:    ids of running containers that are ready
    started:  names of running containers whose startup probe (if any) has passed
    messages: container id → termination message
    images:   image id → what `imageID` shows
    users:    container id → who its first process runs as
    resize_pending: (reason, message) of a resize that waits for room
    resize_error:   why the engine did not take new resources
    forced:   (phase, reason, message) of a pod rejected, evicted or past its deadline
    """

    pod: Pod
    observed: Observed
    now: datetime
    previous: PodStatus
    node_ip: str = ""
    more_node_ips: Sequence[str] = ()
    pod_ips: Sequence[str] = ()
    finished: bool = False
    backing_off: Mapping[str, int] = field(default_factory=dict)
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    in_hook: frozenset[str] = frozenset()
    ready: frozenset[str] = frozenset()
    started: frozenset[str] = frozenset()
    messages: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, ContainerUser] = field(default_factory=dict)
    resize_pending: tuple[str, str] | None = None
    resize_error: str = ""
    forced: tuple[str, str, str] | None = None


def compute(view: View) -> PodStatus:
    """The status to publish."""
    spec = view.pod.spec
    initializing = not _is_initialized(view)
    init = [_container_status(view, c, initializing=True) for c in spec.init_containers]
    main = [_container_status(view, c, initializing=initializing) for c in spec.containers]
    hold = [_ephemeral_status(view, c) for c in containers.ephemeral(view.pod)]
    if view.forced and not view.observed.containers:
        init = main = hold = []  # rejected before anything was made
    # Who reads that it failed may replace it at once: not before its last container has ended.
    forced = view.forced if not view.observed.running() else None
    phase = forced[0] if forced else _phase(view, init, main)
    ips = [ip for ip in view.pod_ips if ip] or [ip.ip for ip in view.previous.pod_ips]
    whole = spec.resources
    return PodStatus(
        phase=phase,
        reason=forced[1] if forced else view.previous.reason,
        message=forced[2] if forced else view.previous.message,
        conditions=conditions(view.pod, phase, init, main, view.previous, view.now,
                              has_network=view.observed.sandbox is not None and bool(view.pod_ips),
                              more=_passing(view)),
        host_ip=view.node_ip,
        host_ips=[HostIP(ip=one) for one in (view.node_ip, *view.more_node_ips) if one],
        pod_ip=ips[0] if ips else "",
        pod_ips=[PodIP(ip=ip) for ip in ips],
        start_time=view.previous.start_time or view.now,
        init_container_statuses=init,
        container_statuses=main,
        ephemeral_container_statuses=hold,
        observed_generation=view.pod.metadata.generation,
        allocated_resources=whole.requests if whole is not None else {},
        resources=whole,
    )  # fmt: skip


def _passing(view: View) -> list[PodCondition]:
    """Conditions that are only there while they hold."""
    found = restarting(view.pod, rounds.trigger(view.pod, view.observed)
                       if not (view.finished or view.forced) else None)  # fmt: skip
    if view.forced and view.forced[1] == EVICTED:
        return [*found, disruption(view.forced[2])]
    if view.finished or view.forced:
        return found
    latest = ((c, view.observed.latest(c.name)) for c in resize.resizable(view.pod))
    in_progress = any(
        record is not None and record.state is State.RUNNING and resize.is_stale(container, record)
        for container, record in latest
    )
    resizes = resize_conditions(view.resize_pending, view.resize_error, in_progress=in_progress)
    return [*found, *resizes]


def is_terminal(status: PodStatus) -> bool:
    return status.phase in ("Succeeded", "Failed")


def _is_initialized(view: View) -> bool:
    """Every plain init container has succeeded and every sidecar started, or a main one exists."""
    spec = view.pod.spec
    main = (view.observed.latest(c.name) for c in spec.containers)
    now = rounds.wanted(view.pod, view.observed)
    if not spec.init_containers or any(r is not None and rounds.of(r) == now for r in main):
        return True
    return all(_init_is_done(view, c) for c in spec.init_containers)


def _init_is_done(view: View, container: Container) -> bool:
    record = view.observed.latest(container.name)
    if record is None:
        return False
    if rounds.of(record) < rounds.wanted(view.pod, view.observed):
        return False
    if restart.is_sidecar(container):
        return record.state is State.RUNNING and container.name in view.started
    return record.has_ended and restart.exit_code(record) == 0


def _phase(view: View, init: Sequence[ContainerStatus], main: Sequence[ContainerStatus]) -> str:
    if view.previous.phase in ("Succeeded", "Failed"):
        return view.previous.phase
    if view.finished and view.observed.running():
        return view.previous.phase or "Pending"  # sidecars are still to be ended
    if view.finished:
        plain = [
            status
            for container, status in zip(view.pod.spec.init_containers, init, strict=True)
            if not restart.is_sidecar(container)
        ]
        return "Failed" if any(_has_failed(status) for status in (*plain, *main)) else "Succeeded"
    if not _is_initialized(view):
        return "Pending"
    never_ran = [s for s in main if s.state.waiting and s.last_state.terminated is None]
    return "Pending" if never_ran else "Running"


def _has_failed(status: ContainerStatus) -> bool:
    """Without a record at all the container never ran, and that is a failure of a finished pod."""
    ended = status.state.terminated or status.last_state.terminated
    return ended is None or ended.exit_code != 0


def _said(view: View, name: str) -> ContainerStatus | None:
    """What was said of a container last."""
    previous = view.previous
    said = (
        *previous.init_container_statuses,
        *previous.container_statuses,
        *previous.ephemeral_container_statuses,
    )
    return next((status for status in said if status.name == name), None)


def ran(status: PodStatus) -> dict[str, int]:
    """Containers that once ran, by what the status says: name → restarts."""
    return {
        one.name: one.restart_count
        for one in (*status.init_container_statuses, *status.container_statuses)
        if one.container_id
    }


def _container_status(view: View, container: Container, *, initializing: bool) -> ContainerStatus:
    record = view.observed.latest(container.name)
    said = _said(view, container.name) if record is None else None
    if said is not None and view.finished:
        if said.container_id or not _might_have_run(view, container):
            return said  # its remains were cleaned away: what was said of it last stays true
        return said.with_(state=_lost(said))
    state, last = _states(view, container, record, initializing=initializing)
    restarts = record.attempt if record is not None else 0
    if said is not None and said.container_id:
        last, restarts = _lost(said), said.restart_count
    running = state.running is not None and record is not None
    is_started = running and container.name in view.started
    ready = running and record is not None and record.id in view.ready and is_started
    if container in view.pod.spec.init_containers and not restart.is_sidecar(container):
        ready = state.terminated is not None and state.terminated.exit_code == 0
        is_started = running
    lifecycle = container.lifecycle
    return ContainerStatus(
        name=container.name,
        state=state,
        last_state=last,
        ready=ready,
        restart_count=restarts,
        image=record.image if record is not None else container.image,
        image_id=view.images.get(record.image_id, "") if record is not None else "",
        container_id=_container_id(record, said),
        started=is_started,
        allocated_resources=container.resources.requests,
        resources=resize.shown(container, record if running else None),
        volume_mounts=_mounts(container),
        user=view.users.get(record.id) if record is not None and running else None,
        stop_signal=lifecycle.stop_signal if lifecycle is not None else None,
    )


def _container_id(record: ContainerRecord | None, said: ContainerStatus | None) -> str:
    if record is not None:
        return RUNTIME_PREFIX + record.id
    return said.container_id if said is not None else ""


def _might_have_run(view: View, container: Container) -> bool:
    """Whether the pod had come as far as to begin this container. Source: upstream's TerminatePod."""
    begun = any(c.type == "Initialized" and c.status == "True" for c in view.previous.conditions)
    return begun and container in view.pod.spec.containers


def _lost(said: ContainerStatus) -> ContainerState:
    """The end of a container that the engine does not know any more."""
    if said.state.terminated is not None:
        return said.state
    if said.last_state.terminated is not None and said.state.running is None:
        return said.last_state
    message = "The container could not be located when the pod was terminated"
    return ContainerState(
        terminated=ContainerStateTerminated(
            exit_code=LOST_EXIT_CODE,
            reason=LOST_REASON,
            message=message,
            started_at=_EPOCH,
            finished_at=_EPOCH,
        )
    )


def _last_said(view: View, record: ContainerRecord) -> ContainerState:
    """The end of the run before this one, when nothing is left of it but what was said."""
    said = _said(view, record.name)
    if said is None or not said.container_id:
        return ContainerState()
    return said.last_state if said.container_id == RUNTIME_PREFIX + record.id else _lost(said)


def _mounts(container: Container) -> list[VolumeMountStatus]:
    return [
        VolumeMountStatus(
            name=mount.name,
            mount_path=mount.mount_path,
            read_only=mount.read_only,
            recursive_read_only="Disabled" if mount.read_only else None,
        )
        for mount in container.volume_mounts
    ]


def _ephemeral_status(view: View, container: Container) -> ContainerStatus:
    """Never ready, and without resources of its own."""
    found = _container_status(view, container, initializing=False)
    return found.with_(ready=False, started=None, resources=None, allocated_resources={})


def _states(
    view: View, container: Container, record: ContainerRecord | None, *, initializing: bool
) -> tuple[ContainerState, ContainerState]:
    """(state, lastState)."""
    older = view.observed.previous(container.name)
    last = _terminated(view, older) if older is not None and older.has_ended else ContainerState()
    if older is None and record is not None and record.attempt > 0:
        last = _last_said(view, record)
    waiting = view.waiting.get(container.name)
    if record is None or _is_starting(view, record):
        return _waiting(waiting or _not_begun(view, initializing=initializing)), last
    if record.state is State.RUNNING:
        return ContainerState(running=ContainerStateRunning(started_at=record.started_at)), last
    ended = _terminated(view, record)
    if view.finished or view.forced:
        return ended, last
    if (
        rounds.is_outdated(view.pod, view.observed, record)
        and container.name not in view.backing_off
    ):
        return _waiting(waiting or Waiting("RestartingAllContainers")), ended
    if waiting is not None:
        return _waiting(waiting), ended
    if container.name in view.backing_off:
        return _waiting(_crash_loop(view, container)), ended
    if record.error:
        return _waiting(Waiting("RunContainerError", record.error)), ended
    return ended, last


def _is_starting(view: View, record: ContainerRecord) -> bool:
    if record.state is State.RUNNING:
        return record.id in view.in_hook
    return record.state is State.CREATED and not record.error


def _waiting(why: Waiting) -> ContainerState:
    return ContainerState(waiting=ContainerStateWaiting(reason=why.reason, message=why.message))


def _not_begun(view: View, *, initializing: bool) -> Waiting:
    has_init = bool(view.pod.spec.init_containers)
    return Waiting("PodInitializing" if has_init and initializing else "ContainerCreating")


def pod_key(pod: Pod) -> str:
    """As upstream writes a pod in messages: `name_namespace(uid)`."""
    return f"{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})"


def _crash_loop(view: View, container: Container) -> Waiting:
    seconds = view.backing_off[container.name]
    minutes, rest = divmod(seconds, 60)
    delay = f"{minutes}m{rest}s" if minutes else f"{rest}s"
    return Waiting(
        "CrashLoopBackOff",
        f"back-off {delay} restarting failed container={container.name} pod={pod_key(view.pod)}",
    )


def _terminated(view: View, record: ContainerRecord) -> ContainerState:
    code = restart.exit_code(record)
    if record.error:
        reason, message = "StartError", record.error
    else:
        killed = record.oom_killed or _was_oom_killed(view, record)
        reason = "OOMKilled" if killed else "Error" if code else "Completed"
        message = _shortened(view, view.messages.get(record.id, ""))
    return ContainerState(
        terminated=ContainerStateTerminated(
            exit_code=code,
            reason=reason,
            message=message,
            started_at=record.started_at or _EPOCH,
            finished_at=restart.ended_at(record),
            container_id=RUNTIME_PREFIX + record.id,
        )
    )


def _was_oom_killed(view: View, record: ContainerRecord) -> bool:
    """What was once said stays: a restarted kubelet has not heard of it."""
    said = _said(view, record.name)
    ends = (said.state.terminated, said.last_state.terminated) if said is not None else ()
    id = RUNTIME_PREFIX + record.id
    return any(
        end is not None and end.container_id == id and end.reason == "OOMKilled" for end in ends
    )


def _shortened(view: View, message: str) -> str:
    share = MESSAGES_BYTES_MAX // max(1, len(containers.everyone(view.pod)))
    text = message.encode()
    return message if len(text) <= share else text[:share].decode(errors="ignore")
