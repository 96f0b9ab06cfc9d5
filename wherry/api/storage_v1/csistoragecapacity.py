"""CSIStorageCapacitys."""

from __future__ import annotations

from wherry.api.meta_v1.meta import LabelSelector, ObjectMeta
from wherry.api.model import GroupVersionKind, Quantity, TypedModel, wire


class CSIStorageCapacity(TypedModel):
    GVK = GroupVersionKind("storage.k8s.io", "v1", "CSIStorageCapacity")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    node_topology: LabelSelector | None = None
    storage_class_name: str = wire("", required=True, zero="kept")
    capacity: Quantity | None = None
    maximum_volume_size: Quantity | None = None
