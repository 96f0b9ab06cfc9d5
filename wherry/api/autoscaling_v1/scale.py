"""The scale subresource."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, Model, TypedModel, wire


class ScaleSpec(Model):
    replicas: Int32 = 0


class ScaleStatus(Model):
    replicas: Int32 = wire(0, required=True, zero="kept")
    selector: str = ""


class Scale(TypedModel):
    GVK = GroupVersionKind("autoscaling", "v1", "Scale")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: ScaleSpec = wire(struct=ScaleSpec)
    status: ScaleStatus = wire(struct=ScaleStatus)
