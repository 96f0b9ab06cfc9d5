"""StatefulSets."""

from __future__ import annotations

from wherry.api.core_v1.persistentvolumeclaim import PersistentVolumeClaim
from wherry.api.core_v1.pod import PodTemplateSpec
from wherry.api.meta_v1.meta import LabelSelector, ObjectMeta
from wherry.api.model import (
    GroupVersionKind,
    Int32,
    Int64,
    IntOrString,
    Model,
    Time,
    TypedModel,
    wire,
)


class StatefulSetOrdinals(Model):
    start: Int32 = wire(0, zero="kept")


class StatefulSetPersistentVolumeClaimRetentionPolicy(Model):
    when_deleted: str = ""
    when_scaled: str = ""


class RollingUpdateStatefulSetStrategy(Model):
    partition: Int32 | None = None
    max_unavailable: IntOrString | None = None


class StatefulSetUpdateStrategy(Model):
    type: str = wire("", enum=("OnDelete", "RollingUpdate"))
    rolling_update: RollingUpdateStatefulSetStrategy | None = None


class StatefulSetSpec(Model):
    replicas: Int32 | None = None
    selector: LabelSelector | None = wire(None, required=True, zero="kept")
    template: PodTemplateSpec = wire(struct=PodTemplateSpec, required=True, zero="kept")
    volume_claim_templates: list[PersistentVolumeClaim] = wire([], list_type="atomic")
    service_name: str = wire("", zero="kept")
    pod_management_policy: str = wire("", enum=("OrderedReady", "Parallel"))
    update_strategy: StatefulSetUpdateStrategy = wire(struct=StatefulSetUpdateStrategy)
    revision_history_limit: Int32 | None = None
    min_ready_seconds: Int32 = 0
    persistent_volume_claim_retention_policy: (
        StatefulSetPersistentVolumeClaimRetentionPolicy | None
    ) = None
    ordinals: StatefulSetOrdinals | None = None


class StatefulSetCondition(Model):
    type: str = wire("", required=True, zero="kept")
    status: str = wire("", required=True, zero="kept")
    last_transition_time: Time | None = wire(None, zero="kept")
    reason: str = ""
    message: str = ""


class StatefulSetStatus(Model):
    observed_generation: Int64 = 0
    replicas: Int32 = wire(0, required=True, zero="kept")
    ready_replicas: Int32 = 0
    current_replicas: Int32 = 0
    updated_replicas: Int32 = 0
    current_revision: str = ""
    update_revision: str = ""
    collision_count: Int32 | None = wire(None, number="9")
    conditions: list[StatefulSetCondition] = wire(
        [], list_type="map", keys=("type",), merge_key="type"
    )
    available_replicas: Int32 = wire(0, zero="kept")


class StatefulSet(TypedModel):
    GVK = GroupVersionKind("apps", "v1", "StatefulSet")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: StatefulSetSpec = wire(struct=StatefulSetSpec)
    status: StatefulSetStatus = wire(struct=StatefulSetStatus)
