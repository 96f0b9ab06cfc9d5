"""A Deployment's status: counts and the conditions Available, Progressing, ReplicaFailure. Pure.

`kubectl rollout status` and `kubectl wait` read these, so reasons and words are upstream's.

Source: upstream's pkg/controller/deployment (sync, progress) and its util.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from controller_manager.deployment import sizing
from wherry.api.apps_v1 import Deployment, DeploymentStatus, ReplicaSet
from wherry.api.apps_v1.deployment import DeploymentCondition

AVAILABLE = "Available"
PROGRESSING = "Progressing"
REPLICA_FAILURE = "ReplicaFailure"

NEW_REPLICA_SET = "NewReplicaSetCreated"
FOUND_REPLICA_SET = "FoundNewReplicaSet"
REPLICA_SET_UPDATED = "ReplicaSetUpdated"
NEW_REPLICA_SET_AVAILABLE = "NewReplicaSetAvailable"
CREATE_ERROR = "ReplicaSetCreateError"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"
RESUMED = "DeploymentResumed"
MINIMUM_AVAILABLE = "MinimumReplicasAvailable"
MINIMUM_UNAVAILABLE = "MinimumReplicasUnavailable"

MAX_INT32 = 2**31 - 1


def find(status: DeploymentStatus, type_: str) -> DeploymentCondition | None:
    return next((c for c in status.conditions if c.type == type_), None)


def make(type_: str, status: str, reason: str, message: str, now: datetime) -> DeploymentCondition:
    return DeploymentCondition(
        type=type_,
        status=status,
        reason=reason,
        message=message,
        last_update_time=now,
        last_transition_time=now,
    )


def put(status: DeploymentStatus, condition: DeploymentCondition) -> DeploymentStatus:
    """With the condition; unchanged when only its words differ, so that idle objects stay idle."""
    current = find(status, condition.type)
    if current and (current.status, current.reason) == (condition.status, condition.reason):
        return status
    if current and current.status == condition.status:
        condition = condition.with_(last_transition_time=current.last_transition_time)
    others = drop(status, condition.type).conditions
    return status.with_(conditions=[*others, condition])


def drop(status: DeploymentStatus, type_: str) -> DeploymentStatus:
    return status.with_(conditions=[c for c in status.conditions if c.type != type_])


def has_deadline(deployment: Deployment) -> bool:
    seconds = deployment.spec.progress_deadline_seconds
    return seconds is not None and seconds != MAX_INT32


def calculated(
    deployment: Deployment, sets: Sequence[ReplicaSet], new: ReplicaSet | None, now: datetime
) -> DeploymentStatus:
    """Counts from the sets' own statuses, and Available; other conditions as they were."""
    available = sum(rs.status.available_replicas for rs in sets)
    terminating = [
        rs.status.terminating_replicas for rs in sets if rs.status.terminating_replicas is not None
    ]
    status = deployment.status.with_(
        observed_generation=deployment.metadata.generation,
        replicas=sum(rs.status.replicas for rs in sets),
        updated_replicas=new.status.replicas if new else 0,
        ready_replicas=sum(rs.status.ready_replicas for rs in sets),
        available_replicas=available,
        unavailable_replicas=max(0, sizing.total(sets) - available),
        terminating_replicas=sum(terminating) if terminating else None,
    )
    if available >= sizing.desired(deployment) - sizing.max_unavailable(deployment):
        message = "Deployment has minimum availability."
        return put(status, make(AVAILABLE, "True", MINIMUM_AVAILABLE, message, now))
    message = "Deployment does not have minimum availability."
    return put(status, make(AVAILABLE, "False", MINIMUM_UNAVAILABLE, message, now))


def is_complete(deployment: Deployment, status: DeploymentStatus) -> bool:
    wanted = sizing.desired(deployment)
    counts = (status.updated_replicas, status.replicas, status.available_replicas)
    return (
        counts == (wanted, wanted, wanted)
        and status.observed_generation >= deployment.metadata.generation
    )


def has_moved(old: DeploymentStatus, new: DeploymentStatus) -> bool:
    """Did the rollout make progress between the two?"""
    return (
        new.updated_replicas > old.updated_replicas
        or new.replicas - new.updated_replicas < old.replicas - old.updated_replicas
        or new.ready_replicas > old.ready_replicas
        or new.available_replicas > old.available_replicas
    )


def deadline(deployment: Deployment, status: DeploymentStatus) -> datetime | None:
    """When the rollout counts as stuck; None when it is not waited for (done, or already late)."""
    condition = find(status, PROGRESSING)
    if not has_deadline(deployment) or condition is None or condition.last_update_time is None:
        return None
    if condition.reason in (NEW_REPLICA_SET_AVAILABLE, TIMED_OUT):
        return None
    seconds = deployment.spec.progress_deadline_seconds or 0
    return condition.last_update_time + timedelta(seconds=seconds)


def with_progress(
    deployment: Deployment,
    before: DeploymentStatus,
    status: DeploymentStatus,
    new: ReplicaSet | None,
    now: datetime,
) -> DeploymentStatus:
    """`status` with Progressing brought up to date; `before` is the status last written."""
    if not has_deadline(deployment):
        return drop(status, PROGRESSING)
    current = find(status, PROGRESSING)
    if (
        status.replicas == status.updated_replicas
        and current is not None
        and current.reason == NEW_REPLICA_SET_AVAILABLE
    ):
        return status  # complete, and stays so until the template changes
    what = (
        f'ReplicaSet "{new.metadata.name}"' if new else f'Deployment "{deployment.metadata.name}"'
    )
    if is_complete(deployment, status):
        message = f"{what} has successfully progressed."
        return put(status, make(PROGRESSING, "True", NEW_REPLICA_SET_AVAILABLE, message, now))
    if has_moved(before, status):
        moving = make(PROGRESSING, "True", REPLICA_SET_UPDATED, f"{what} is progressing.", now)
        if current is not None and current.status == "True":
            moving = moving.with_(last_transition_time=current.last_transition_time)
        return put(drop(status, PROGRESSING), moving)  # dropped first: its update time must move
    late = deadline(deployment, status)
    if late is not None and late < now:
        message = f"{what} has timed out progressing."
        return put(status, make(PROGRESSING, "False", TIMED_OUT, message, now))
    return status


def with_failures(
    status: DeploymentStatus, sets: Sequence[ReplicaSet], new: ReplicaSet | None
) -> DeploymentStatus:
    """A ReplicaSet that cannot make its pods shows on the Deployment; the new set speaks first."""
    for rs in [*([new] if new else []), *sets]:
        for c in rs.status.conditions:
            if c.type == REPLICA_FAILURE:
                moved = DeploymentCondition(
                    type=c.type,
                    status=c.status,
                    reason=c.reason,
                    message=c.message,
                    last_update_time=c.last_transition_time,
                    last_transition_time=c.last_transition_time,
                )
                return put(status, moved)
    return drop(status, REPLICA_FAILURE)


def with_pause(deployment: Deployment, status: DeploymentStatus, now: datetime) -> DeploymentStatus:
    """Says in Progressing that the Deployment was paused or resumed, so time-outs stand still."""
    current = find(status, PROGRESSING)
    if not has_deadline(deployment) or (current is not None and current.reason == TIMED_OUT):
        return status
    was_paused = current is not None and current.reason == PAUSED
    if deployment.spec.paused and not was_paused:
        return put(status, make(PROGRESSING, "Unknown", PAUSED, "Deployment is paused", now))
    if not deployment.spec.paused and was_paused:
        return put(status, make(PROGRESSING, "Unknown", RESUMED, "Deployment is resumed", now))
    return status
