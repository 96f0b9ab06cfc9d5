"""Deployments."""

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


class RollingUpdateDeployment(Model):
    max_unavailable: IntOrString | None = None
    max_surge: IntOrString | None = None


class DeploymentStrategy(Model):
    type: str = wire("", enum=("Recreate", "RollingUpdate"))
    rolling_update: RollingUpdateDeployment | None = None


class DeploymentSpec(Model):
    replicas: Int32 | None = None
    selector: LabelSelector | None = wire(None, required=True, zero="kept")
    template: PodTemplateSpec = wire(struct=PodTemplateSpec, required=True, zero="kept")
    strategy: DeploymentStrategy = wire(struct=DeploymentStrategy, retain_keys=True)
    min_ready_seconds: Int32 = 0
    revision_history_limit: Int32 | None = None
    paused: bool = False
    progress_deadline_seconds: Int32 | None = wire(None, number="9")


class DeploymentCondition(Model):
    type: str = wire("", required=True, zero="kept")
    status: str = wire("", required=True, zero="kept")
    reason: str = wire("", number="4")
    message: str = ""
    last_update_time: Time | None = wire(None, zero="kept")
    last_transition_time: Time | None = wire(None, zero="kept")


class DeploymentStatus(Model):
    observed_generation: Int64 = 0
    replicas: Int32 = 0
    updated_replicas: Int32 = 0
    available_replicas: Int32 = 0
    unavailable_replicas: Int32 = 0
    conditions: list[DeploymentCondition] = wire(
        [], list_type="map", keys=("type",), merge_key="type"
    )
    ready_replicas: Int32 = 0
    collision_count: Int32 | None = None
    terminating_replicas: Int32 | None = None


class Deployment(TypedModel):
    GVK = GroupVersionKind("apps", "v1", "Deployment")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: DeploymentSpec = wire(struct=DeploymentSpec)
    status: DeploymentStatus = wire(struct=DeploymentStatus)
