"""CSINodes."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, Model, TypedModel, wire


class VolumeNodeResources(Model):
    count: Int32 | None = None


class CSINodeDriver(Model):
    name: str = wire("", required=True, zero="kept")
    node_id: str = wire("", required=True, zero="kept")
    topology_keys: list[str] = wire([], zero="kept", list_type="atomic")
    allocatable: VolumeNodeResources | None = None


class CSINodeSpec(Model):
    drivers: list[CSINodeDriver] = wire(
        [], required=True, zero="kept", list_type="map", keys=("name",), merge_key="name"
    )


class CSINode(TypedModel):
    GVK = GroupVersionKind("storage.k8s.io", "v1", "CSINode")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: CSINodeSpec = wire(struct=CSINodeSpec, required=True, zero="kept")
