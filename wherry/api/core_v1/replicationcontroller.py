"""ReplicationControllers."""

from __future__ import annotations

from wherry.api.core_v1.pod import PodTemplateSpec
from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, Int64, Model, Time, TypedModel, wire


class ReplicationControllerSpec(Model):
    replicas: Int32 | None = None
    selector: dict[str, str] = wire({}, map_type="atomic")
    template: PodTemplateSpec | None = None
    min_ready_seconds: Int32 = 0


class ReplicationControllerCondition(Model):
    type: str = wire("", required=True, zero="kept")
    status: str = wire("", required=True, zero="kept")
    last_transition_time: Time | None = wire(None, zero="kept")
    reason: str = ""
    message: str = ""


class ReplicationControllerStatus(Model):
    replicas: Int32 = wire(0, required=True, zero="kept")
    fully_labeled_replicas: Int32 = 0
    observed_generation: Int64 = 0
    ready_replicas: Int32 = 0
    available_replicas: Int32 = 0
    conditions: list[ReplicationControllerCondition] = wire(
        [], list_type="map", keys=("type",), merge_key="type"
    )


class ReplicationController(TypedModel):
    GVK = GroupVersionKind("", "v1", "ReplicationController")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: ReplicationControllerSpec = wire(struct=ReplicationControllerSpec)
    status: ReplicationControllerStatus = wire(struct=ReplicationControllerStatus)
