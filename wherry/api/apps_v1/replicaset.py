"""ReplicaSets."""

from __future__ import annotations

from wherry.api.core_v1.pod import PodTemplateSpec
from wherry.api.meta_v1.meta import LabelSelector, ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, Int64, Model, Time, TypedModel, wire


class ReplicaSetSpec(Model):
    replicas: Int32 | None = None
    selector: LabelSelector | None = wire(None, required=True, zero="kept")
    template: PodTemplateSpec = wire(struct=PodTemplateSpec)
    min_ready_seconds: Int32 = 0


class ReplicaSetCondition(Model):
    type: str = wire("", required=True, zero="kept")
    status: str = wire("", required=True, zero="kept")
    last_transition_time: Time | None = wire(None, zero="kept")
    reason: str = ""
    message: str = ""


class ReplicaSetStatus(Model):
    replicas: Int32 = wire(0, required=True, zero="kept")
    fully_labeled_replicas: Int32 = 0
    observed_generation: Int64 = 0
    ready_replicas: Int32 = 0
    available_replicas: Int32 = 0
    conditions: list[ReplicaSetCondition] = wire(
        [], list_type="map", keys=("type",), merge_key="type"
    )
    terminating_replicas: Int32 | None = None


class ReplicaSet(TypedModel):
    GVK = GroupVersionKind("apps", "v1", "ReplicaSet")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: ReplicaSetSpec = wire(struct=ReplicaSetSpec)
    status: ReplicaSetStatus = wire(struct=ReplicaSetStatus)
