"""VolumeAttributesClasss."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, TypedModel, wire


class VolumeAttributesClass(TypedModel):
    GVK = GroupVersionKind("storage.k8s.io", "v1", "VolumeAttributesClass")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    driver_name: str = wire("", required=True, zero="kept")
    parameters: dict[str, str] = {}
