"""ServiceCIDRs."""

from __future__ import annotations

from wherry.api.meta_v1.meta import Condition, ObjectMeta
from wherry.api.model import GroupVersionKind, Model, TypedModel, wire


class ServiceCIDRSpec(Model):
    cidrs: list[str] = wire([], list_type="atomic")


class ServiceCIDRStatus(Model):
    conditions: list[Condition] = wire([], list_type="map", keys=("type",), merge_key="type")


class ServiceCIDR(TypedModel):
    GVK = GroupVersionKind("networking.k8s.io", "v1", "ServiceCIDR")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: ServiceCIDRSpec = wire(struct=ServiceCIDRSpec)
    status: ServiceCIDRStatus = wire(struct=ServiceCIDRStatus)
