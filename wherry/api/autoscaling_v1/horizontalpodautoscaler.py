"""HorizontalPodAutoscalers."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, Int64, Model, Time, TypedModel, wire


class CrossVersionObjectReference(Model):
    ATOMIC = True

    kind: str = wire("", required=True, zero="kept")
    name: str = wire("", required=True, zero="kept")
    api_version: str = ""


class HorizontalPodAutoscalerSpec(Model):
    scale_target_ref: CrossVersionObjectReference = wire(
        struct=CrossVersionObjectReference, required=True, zero="kept"
    )
    min_replicas: Int32 | None = None
    max_replicas: Int32 = wire(0, required=True, zero="kept")
    target_cpu_utilization_percentage: Int32 | None = wire(
        None, alias="targetCPUUtilizationPercentage"
    )


class HorizontalPodAutoscalerStatus(Model):
    observed_generation: Int64 | None = None
    last_scale_time: Time | None = None
    current_replicas: Int32 = wire(0, required=True, zero="kept")
    desired_replicas: Int32 = wire(0, required=True, zero="kept")
    current_cpu_utilization_percentage: Int32 | None = wire(
        None, alias="currentCPUUtilizationPercentage"
    )


class HorizontalPodAutoscaler(TypedModel):
    GVK = GroupVersionKind("autoscaling", "v1", "HorizontalPodAutoscaler")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: HorizontalPodAutoscalerSpec = wire(struct=HorizontalPodAutoscalerSpec, required=True)
    status: HorizontalPodAutoscalerStatus = wire(struct=HorizontalPodAutoscalerStatus)
