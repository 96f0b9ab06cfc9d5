"""What a ReplicaSet needs now: pods to create, pods to delete, and its status. Pure.

Two decisions, because the status tells how the first one went: `plan_replicas` before acting,
`plan_status` after.

Source of the rules: upstream's pkg/controller/replicaset.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controller_manager import pods
from controller_manager.ownership import controller_reference
from controller_manager.replicaset import rank
from wherry.api.apps_v1 import ReplicaSet, ReplicaSetStatus
from wherry.api.apps_v1.replicaset import ReplicaSetCondition
from wherry.api.core_v1 import Pod
from wherry.api.meta_v1 import ObjectMeta
from wherry.api.model import TypedModel

BURST_REPLICAS = 500  # pods made or deleted in one pass
SLOW_START_INITIAL = 1
REPLICA_FAILURE = "ReplicaFailure"


@dataclass(frozen=True, slots=True)
class Observed:
    """active: the set's pods that count. terminating: its pods being deleted. related: active pods
    of all sets with the same owner. fulfilled: earlier creations and deletions are visible."""

    replica_set: ReplicaSet
    active: tuple[Pod, ...]
    terminating: tuple[Pod, ...] = ()
    related: tuple[Pod, ...] = ()
    fulfilled: bool = True


@dataclass(frozen=True, slots=True)
class ReplicasPlan:
    """create: so many pods from the template. delete: these pods, first come first."""

    create: int = 0
    delete: tuple[Pod, ...] = ()


def wanted(rs: ReplicaSet) -> int:
    return 1 if rs.spec.replicas is None else rs.spec.replicas


def plan_replicas(observed: Observed, now: datetime) -> ReplicasPlan:
    """Creations or deletions, never both."""
    rs = observed.replica_set
    if not observed.fulfilled or rs.metadata.deletion_timestamp is not None:
        return ReplicasPlan()
    surplus = len(observed.active) - wanted(rs)
    if surplus < 0:
        return ReplicasPlan(create=min(-surplus, BURST_REPLICAS))
    if surplus > 0:
        count = min(surplus, BURST_REPLICAS)
        related = observed.related or observed.active
        return ReplicasPlan(delete=tuple(rank.to_delete(observed.active, related, count, now)))
    return ReplicasPlan()


def slow_start(count: int) -> list[int]:
    """Batch sizes 1, 2, 4, ...: when creation is refused (quota), few attempts are wasted."""
    batches = []
    size = SLOW_START_INITIAL
    while count > 0:
        batches.append(min(size, count))
        count -= batches[-1]
        size *= 2
    return batches


def new_pod(rs: ReplicaSet, owner: TypedModel | None = None) -> Pod:
    """A pod from the template, named by the server; `owner`: whom the set is a view of."""
    template = rs.spec.template
    return Pod(
        metadata=ObjectMeta(
            generate_name=f"{rs.metadata.name}-",
            namespace=rs.metadata.namespace,
            labels=template.metadata.labels,
            annotations=template.metadata.annotations,
            finalizers=template.metadata.finalizers,
            owner_references=[controller_reference(owner or rs)],
        ),
        spec=template.spec,
    )


def plan_status(
    observed: Observed, failure: str | None, now: datetime
) -> tuple[ReplicaSetStatus, float | None]:
    """The status to write (maybe equal to the present one) and when a pod next becomes available."""
    rs, active = observed.replica_set, observed.active
    template_labels = rs.spec.template.metadata.labels.items()
    minimum = rs.spec.min_ready_seconds
    waits = [pods.until_available(pod, minimum, now) for pod in active]
    status = rs.status.with_(
        replicas=len(active),
        fully_labeled_replicas=sum(template_labels <= p.metadata.labels.items() for p in active),
        ready_replicas=sum(wait is not None for wait in waits),
        available_replicas=sum(wait == 0.0 for wait in waits),
        terminating_replicas=len(observed.terminating),
        # Seen is what was acted on: a Deployment reads from it that no more pods will come.
        observed_generation=(
            rs.metadata.generation if observed.fulfilled else rs.status.observed_generation
        ),
        conditions=_conditions(observed, failure, now),
    )
    return status, min((wait for wait in waits if wait), default=None)


def _conditions(
    observed: Observed, failure: str | None, now: datetime
) -> list[ReplicaSetCondition]:
    current = observed.replica_set.status.conditions
    failed_before = any(c.type == REPLICA_FAILURE for c in current)
    if failure is None:
        return [c for c in current if c.type != REPLICA_FAILURE]
    if failed_before:
        return list(current)
    short = len(observed.active) < wanted(observed.replica_set)
    failed = ReplicaSetCondition(
        type=REPLICA_FAILURE,
        status="True",
        reason="FailedCreate" if short else "FailedDelete",
        message=failure,
        last_transition_time=now,
    )
    return [*current, failed]
