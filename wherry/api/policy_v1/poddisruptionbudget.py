"""PodDisruptionBudgets."""

from __future__ import annotations

from wherry.api.meta_v1.meta import Condition, LabelSelector, ObjectMeta
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


class PodDisruptionBudgetSpec(Model):
    min_available: IntOrString | None = None
    selector: LabelSelector | None = None
    max_unavailable: IntOrString | None = None
    unhealthy_pod_eviction_policy: str | None = wire(None, enum=("AlwaysAllow", "IfHealthyBudget"))


class PodDisruptionBudgetStatus(Model):
    observed_generation: Int64 = 0
    disrupted_pods: dict[str, Time] = {}
    disruptions_allowed: Int32 = wire(0, zero="kept")
    current_healthy: Int32 = wire(0, zero="kept")
    desired_healthy: Int32 = wire(0, zero="kept")
    expected_pods: Int32 = wire(0, zero="kept")
    conditions: list[Condition] = wire([], list_type="map", keys=("type",), merge_key="type")


class PodDisruptionBudget(TypedModel):
    GVK = GroupVersionKind("policy", "v1", "PodDisruptionBudget")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: PodDisruptionBudgetSpec = wire(struct=PodDisruptionBudgetSpec)
    status: PodDisruptionBudgetStatus = wire(struct=PodDisruptionBudgetStatus)
