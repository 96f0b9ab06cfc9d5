"""What nodes and pods use just now.

Source: k8s.io/metrics/pkg/apis/metrics/v1beta1/types.go.
"""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Model, Quantity, Time, TypedModel, wire


class NodeMetrics(TypedModel):
    GVK = GroupVersionKind("metrics.k8s.io", "v1beta1", "NodeMetrics")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    timestamp: Time | None = wire(None, required=True, zero="kept")
    window: str = wire("", required=True, zero="kept")
    usage: dict[str, Quantity] = wire({}, required=True, zero="kept")


class ContainerMetrics(Model):
    name: str = wire("", required=True, zero="kept")
    usage: dict[str, Quantity] = wire({}, required=True, zero="kept")


class PodMetrics(TypedModel):
    GVK = GroupVersionKind("metrics.k8s.io", "v1beta1", "PodMetrics")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    timestamp: Time | None = wire(None, required=True, zero="kept")
    window: str = wire("", required=True, zero="kept")
    containers: list[ContainerMetrics] = wire([], required=True, zero="kept", list_type="atomic")
