"""A pod's conditions, worded as upstream words them. Pure.

Source: upstream's pkg/kubelet/status/generate.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kubelet.pods.rounds import could_restart_all
from wherry.api.core_v1 import ContainerStatus, Pod, PodCondition, PodStatus

RESIZE_PENDING, RESIZE_IN_PROGRESS = "PodResizePending", "PodResizeInProgress"
RESTARTING = "AllContainersRestarting"
DISRUPTION_TARGET, BY_KUBELET = "DisruptionTarget", "TerminationByKubelet"
OWNED = (
    "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled",
    RESIZE_PENDING, RESIZE_IN_PROGRESS, RESTARTING,
)  # fmt: skip


def conditions(
    pod: Pod,
    phase: str,
    init: Sequence[ContainerStatus],
    main: Sequence[ContainerStatus],
    previous: PodStatus,
    now: datetime,
    *,
    has_network: bool,
    more: Sequence[PodCondition] = (),
) -> list[PodCondition]:
    """The conditions a kubelet owns; a time moves only with its condition's status."""
    before = {condition.type: condition for condition in previous.conditions}
    containers = _containers_ready(phase, pod, init, main)
    found = [
        PodCondition(type="PodReadyToStartContainers", status=str(has_network)),
        _initialized(phase, pod, init, main),
        _ready(pod, containers),
        containers,
        PodCondition(type="PodScheduled", status="True"),
        *more,
    ]
    result = []
    for condition in found:
        old = before.get(condition.type)
        same = old is not None and old.status == condition.status
        result.append(
            condition.with_(
                last_transition_time=old.last_transition_time if same and old else now,
                observed_generation=pod.metadata.generation,
            )
        )
    return result


def restarting(pod: Pod, trigger: tuple[str, int] | None) -> list[PodCondition]:
    """Whether all containers are being ended to begin anew; said of pods only that have such a rule."""
    if trigger is not None:
        name, code = trigger
        message = f"Container {name} exited with code {code}, triggering pod restart"
        return [
            PodCondition(type=RESTARTING, status="True", reason="ContainerExited", message=message)
        ]
    if not could_restart_all(pod):
        return []
    return [PodCondition(type=RESTARTING, status="False")]


def disruption(message: str) -> PodCondition:
    """Said of a pod that this kubelet evicted."""
    return PodCondition(
        type=DISRUPTION_TARGET, status="True", reason=BY_KUBELET, message=message
    )  # fmt: skip


def resize_conditions(
    pending: tuple[str, str] | None, error: str, *, in_progress: bool
) -> list[PodCondition]:
    """Conditions that are only there while they hold: a resize that waits, or is being done."""
    found = []
    if pending is not None:
        reason, message = pending
        found.append(
            PodCondition(type=RESIZE_PENDING, status="True", reason=reason, message=message)
        )
    if in_progress:
        reason = "Error" if error else ""
        found.append(
            PodCondition(type=RESIZE_IN_PROGRESS, status="True", reason=reason, message=error)
        )
    return found


def _initialized(
    phase: str, pod: Pod, init: Sequence[ContainerStatus], main: Sequence[ContainerStatus]
) -> PodCondition:
    if phase == "Succeeded":
        return PodCondition(type="Initialized", status="True", reason="PodCompleted")
    # A main container that exists proves that initialization was complete once.
    begun = any(s.container_id for s in main)
    sidecars = {c.name for c in pod.spec.init_containers if c.restart_policy == "Always"}
    incomplete = [
        s.name for s in init if not (s.started if s.name in sidecars else s.ready) and not begun
    ]
    if not incomplete:
        return PodCondition(type="Initialized", status="True")
    return PodCondition(
        type="Initialized",
        status="False",
        reason="ContainersNotInitialized",
        message=f"containers with incomplete status: [{' '.join(incomplete)}]",
    )


def _containers_ready(
    phase: str, pod: Pod, init: Sequence[ContainerStatus], main: Sequence[ContainerStatus]
) -> PodCondition:
    if phase == "Succeeded":
        return PodCondition(type="ContainersReady", status="False", reason="PodCompleted")
    if phase == "Failed":
        return PodCondition(type="ContainersReady", status="False", reason="PodFailed")
    sidecars = {c.name for c in pod.spec.init_containers if c.restart_policy == "Always"}
    lasting = [*(s for s in init if s.name in sidecars), *main]
    unready = [status.name for status in lasting if not status.ready]
    if not unready:
        return PodCondition(type="ContainersReady", status="True")
    return PodCondition(
        type="ContainersReady",
        status="False",
        reason="ContainersNotReady",
        message=f"containers with unready status: [{' '.join(unready)}]",
    )


def _ready(pod: Pod, containers: PodCondition) -> PodCondition:
    if containers.status != "True":
        return containers.with_(type="Ready")
    given = {condition.type: condition for condition in pod.status.conditions}
    messages = []
    for gate in pod.spec.readiness_gates:
        found = given.get(gate.condition_type)
        name = f'corresponding condition of pod readiness gate "{gate.condition_type}"'
        if found is None:
            messages.append(f"{name} does not exist.")
        elif found.status != "True":
            messages.append(
                f'the status of pod readiness gate "{gate.condition_type}" is not "True", but {found.status}'
            )
    if not messages:
        return PodCondition(type="Ready", status="True")
    return PodCondition(
        type="Ready", status="False", reason="ReadinessGatesNotReady", message=", ".join(messages)
    )
