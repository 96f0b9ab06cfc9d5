"""DaemonSets."""

from __future__ import annotations

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


class RollingUpdateDaemonSet(Model):
    max_unavailable: IntOrString | None = None
    max_surge: IntOrString | None = None


class DaemonSetUpdateStrategy(Model):
    type: str = wire("", enum=("OnDelete", "RollingUpdate"))
    rolling_update: RollingUpdateDaemonSet | None = None


class DaemonSetSpec(Model):
    selector: LabelSelector | None = wire(None, required=True, zero="kept")
    template: PodTemplateSpec = wire(struct=PodTemplateSpec, required=True, zero="kept")
    update_strategy: DaemonSetUpdateStrategy = wire(struct=DaemonSetUpdateStrategy)
    min_ready_seconds: Int32 = 0
    revision_history_limit: Int32 | None = wire(None, number="6")


class DaemonSetCondition(Model):
    type: str = wire("", required=True, zero="kept")
    status: str = wire("", required=True, zero="kept")
    last_transition_time: Time | None = wire(None, zero="kept")
    reason: str = ""
    message: str = ""


class DaemonSetStatus(Model):
    current_number_scheduled: Int32 = wire(0, required=True, zero="kept")
    number_misscheduled: Int32 = wire(0, required=True, zero="kept")
    desired_number_scheduled: Int32 = wire(0, required=True, zero="kept")
    number_ready: Int32 = wire(0, required=True, zero="kept")
    observed_generation: Int64 = 0
    updated_number_scheduled: Int32 = 0
    number_available: Int32 = 0
    number_unavailable: Int32 = 0
    collision_count: Int32 | None = None
    conditions: list[DaemonSetCondition] = wire(
        [], list_type="map", keys=("type",), merge_key="type"
    )


class DaemonSet(TypedModel):
    GVK = GroupVersionKind("apps", "v1", "DaemonSet")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: DaemonSetSpec = wire(struct=DaemonSetSpec)
    status: DaemonSetStatus = wire(struct=DaemonSetStatus)
