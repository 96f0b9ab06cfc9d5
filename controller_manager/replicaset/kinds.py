"""ReplicaSets, and the ReplicationControllers that were there before them: one controller, two kinds.

A ReplicationController is looked at as a ReplicaSet with a plain selector; only its status is
written in its own form.

Source: upstream's pkg/controller/replication/conversion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from controller_manager.informers import Informers
from wherry.api.apps_v1 import ReplicaSet, ReplicaSetStatus
from wherry.api.apps_v1.replicaset import ReplicaSetSpec
from wherry.api.core_v1 import PodTemplateSpec, ReplicationController
from wherry.api.core_v1.replicationcontroller import (
    ReplicationControllerCondition,
    ReplicationControllerStatus,
)
from wherry.api.meta_v1 import LabelSelector
from wherry.api.model import TypedModel
from wherry.client.informer import Informer


@dataclass(frozen=True)
class Kind:
    """view: the object as a ReplicaSet. with_status: the object with a status, to be written."""

    name: str
    model: type[TypedModel]
    component: str
    workers_option: str
    informer: Callable[[Informers], Informer[Any]]
    view: Callable[[Any], ReplicaSet]
    with_status: Callable[[Any, ReplicaSetStatus], TypedModel]


def _as_replica_set(rc: ReplicationController) -> ReplicaSet:
    status = rc.status
    spec = rc.spec
    return ReplicaSet(
        metadata=rc.metadata,
        spec=ReplicaSetSpec(
            replicas=spec.replicas,
            min_ready_seconds=spec.min_ready_seconds,
            selector=LabelSelector(match_labels=spec.selector),
            template=spec.template or PodTemplateSpec(),
        ),
        status=ReplicaSetStatus.from_wire(status.to_wire()),
    )


def _with_status(rc: ReplicationController, status: ReplicaSetStatus) -> ReplicationController:
    conditions = [ReplicationControllerCondition.from_wire(c.to_wire()) for c in status.conditions]
    return rc.with_(
        status=ReplicationControllerStatus(
            replicas=status.replicas,
            fully_labeled_replicas=status.fully_labeled_replicas,
            observed_generation=status.observed_generation,
            ready_replicas=status.ready_replicas,
            available_replicas=status.available_replicas,
            conditions=conditions,
        )
    )


REPLICA_SETS = Kind(
    name="replicaset",
    model=ReplicaSet,
    component="replicaset-controller",
    workers_option="concurrent_replicaset_syncs",
    informer=lambda informers: informers.replica_sets,
    view=lambda rs: rs,
    with_status=lambda rs, status: rs.with_(status=status),
)
REPLICATION_CONTROLLERS = Kind(
    name="replicationmanager",
    model=ReplicationController,
    component="replication-controller",
    workers_option="concurrent_rc_syncs",
    informer=lambda informers: informers.replication_controllers,
    view=_as_replica_set,
    with_status=_with_status,
)
