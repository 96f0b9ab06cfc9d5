"""HorizontalPodAutoscalers."""

from __future__ import annotations

from wherry.api.meta_v1.meta import LabelSelector, ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, Int64, Model, Quantity, Time, TypedModel, wire


class HPAScalingPolicy(Model):
    type: str = wire("", required=True, zero="kept")
    value: Int32 = wire(0, required=True, zero="kept")
    period_seconds: Int32 = wire(0, required=True, zero="kept")


class HPAScalingRules(Model):
    select_policy: str | None = None
    policies: list[HPAScalingPolicy] = wire([], list_type="atomic")
    stabilization_window_seconds: Int32 | None = None
    tolerance: Quantity | None = None


class HorizontalPodAutoscalerBehavior(Model):
    scale_up: HPAScalingRules | None = None
    scale_down: HPAScalingRules | None = None


class MetricTarget(Model):
    type: str = wire("", required=True, zero="kept")
    value: Quantity | None = None
    average_value: Quantity | None = None
    average_utilization: Int32 | None = None


class ContainerResourceMetricSource(Model):
    name: str = wire("", required=True, zero="kept")
    target: MetricTarget = wire(struct=MetricTarget, required=True, zero="kept")
    container: str = wire("", required=True, zero="kept")


class MetricIdentifier(Model):
    name: str = wire("", required=True, zero="kept")
    selector: LabelSelector | None = None


class ExternalMetricSource(Model):
    metric: MetricIdentifier = wire(struct=MetricIdentifier, required=True, zero="kept")
    target: MetricTarget = wire(struct=MetricTarget, required=True, zero="kept")


class CrossVersionObjectReference(Model):
    ATOMIC = True

    kind: str = wire("", required=True, zero="kept")
    name: str = wire("", required=True, zero="kept")
    api_version: str = ""


class ObjectMetricSource(Model):
    described_object: CrossVersionObjectReference = wire(
        struct=CrossVersionObjectReference, required=True, zero="kept"
    )
    target: MetricTarget = wire(struct=MetricTarget, required=True, zero="kept")
    metric: MetricIdentifier = wire(struct=MetricIdentifier, required=True, zero="kept")


class PodsMetricSource(Model):
    metric: MetricIdentifier = wire(struct=MetricIdentifier, required=True, zero="kept")
    target: MetricTarget = wire(struct=MetricTarget, required=True, zero="kept")


class ResourceMetricSource(Model):
    name: str = wire("", required=True, zero="kept")
    target: MetricTarget = wire(struct=MetricTarget, required=True, zero="kept")


class MetricSpec(Model):
    type: str = wire("", required=True, zero="kept")
    object: ObjectMetricSource | None = None
    pods: PodsMetricSource | None = None
    resource: ResourceMetricSource | None = None
    external: ExternalMetricSource | None = None
    container_resource: ContainerResourceMetricSource | None = wire(None, number="7")


class HorizontalPodAutoscalerSpec(Model):
    scale_target_ref: CrossVersionObjectReference = wire(
        struct=CrossVersionObjectReference, required=True, zero="kept"
    )
    min_replicas: Int32 | None = None
    max_replicas: Int32 = wire(0, required=True, zero="kept")
    metrics: list[MetricSpec] = wire([], list_type="atomic")
    behavior: HorizontalPodAutoscalerBehavior | None = None


class HorizontalPodAutoscalerCondition(Model):
    type: str = wire("", required=True, zero="kept")
    status: str = wire("", required=True, zero="kept")
    last_transition_time: Time | None = wire(None, zero="kept")
    reason: str = ""
    message: str = ""


class MetricValueStatus(Model):
    value: Quantity | None = None
    average_value: Quantity | None = None
    average_utilization: Int32 | None = None


class ContainerResourceMetricStatus(Model):
    name: str = wire("", required=True, zero="kept")
    current: MetricValueStatus = wire(struct=MetricValueStatus, required=True, zero="kept")
    container: str = wire("", required=True, zero="kept")


class ExternalMetricStatus(Model):
    metric: MetricIdentifier = wire(struct=MetricIdentifier, required=True, zero="kept")
    current: MetricValueStatus = wire(struct=MetricValueStatus, required=True, zero="kept")


class ObjectMetricStatus(Model):
    metric: MetricIdentifier = wire(struct=MetricIdentifier, required=True, zero="kept")
    current: MetricValueStatus = wire(struct=MetricValueStatus, required=True, zero="kept")
    described_object: CrossVersionObjectReference = wire(
        struct=CrossVersionObjectReference, required=True, zero="kept"
    )


class PodsMetricStatus(Model):
    metric: MetricIdentifier = wire(struct=MetricIdentifier, required=True, zero="kept")
    current: MetricValueStatus = wire(struct=MetricValueStatus, required=True, zero="kept")


class ResourceMetricStatus(Model):
    name: str = wire("", required=True, zero="kept")
    current: MetricValueStatus = wire(struct=MetricValueStatus, required=True, zero="kept")


class MetricStatus(Model):
    type: str = wire("", required=True, zero="kept")
    object: ObjectMetricStatus | None = None
    pods: PodsMetricStatus | None = None
    resource: ResourceMetricStatus | None = None
    external: ExternalMetricStatus | None = None
    container_resource: ContainerResourceMetricStatus | None = wire(None, number="7")


class HorizontalPodAutoscalerStatus(Model):
    observed_generation: Int64 | None = None
    last_scale_time: Time | None = None
    current_replicas: Int32 = 0
    desired_replicas: Int32 = wire(0, required=True, zero="kept")
    current_metrics: list[MetricStatus] = wire([], zero="kept", list_type="atomic")
    conditions: list[HorizontalPodAutoscalerCondition] = wire(
        [], list_type="map", keys=("type",), merge_key="type"
    )


class HorizontalPodAutoscaler(TypedModel):
    GVK = GroupVersionKind("autoscaling", "v2", "HorizontalPodAutoscaler")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: HorizontalPodAutoscalerSpec = wire(struct=HorizontalPodAutoscalerSpec, required=True)
    status: HorizontalPodAutoscalerStatus = wire(struct=HorizontalPodAutoscalerStatus)
