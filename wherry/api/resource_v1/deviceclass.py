"""DeviceClasss."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Model, TypedModel, wire
from wherry.api.resource_v1.common import DeviceSelector, OpaqueDeviceConfiguration


class DeviceClassConfiguration(Model):
    opaque: OpaqueDeviceConfiguration | None = wire(None, number="1.1")


class DeviceClassSpec(Model):
    selectors: list[DeviceSelector] = wire([], list_type="atomic")
    config: list[DeviceClassConfiguration] = wire([], list_type="atomic")
    extended_resource_name: str | None = wire(None, number="4")


class DeviceClass(TypedModel):
    GVK = GroupVersionKind("resource.k8s.io", "v1", "DeviceClass")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: DeviceClassSpec = wire(struct=DeviceClassSpec, required=True, zero="kept")
