"""StorageClasss."""

from __future__ import annotations

from wherry.api.core_v1.topology import TopologySelectorTerm
from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, TypedModel, wire


class StorageClass(TypedModel):
    GVK = GroupVersionKind("storage.k8s.io", "v1", "StorageClass")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    provisioner: str = wire("", required=True, zero="kept")
    parameters: dict[str, str] = {}
    reclaim_policy: str | None = wire(None, enum=("Delete", "Recycle", "Retain"))
    mount_options: list[str] = wire([], list_type="atomic")
    allow_volume_expansion: bool | None = None
    volume_binding_mode: str | None = wire(None, enum=("Immediate", "WaitForFirstConsumer"))
    allowed_topologies: list[TopologySelectorTerm] = wire([], list_type="atomic")
