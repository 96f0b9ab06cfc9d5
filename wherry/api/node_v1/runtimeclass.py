"""RuntimeClasss."""

from __future__ import annotations

from wherry.api.core_v1.affinity import Toleration
from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Model, Quantity, TypedModel, wire


class Overhead(Model):
    pod_fixed: dict[str, Quantity] = {}


class Scheduling(Model):
    node_selector: dict[str, str] = wire({}, map_type="atomic")
    tolerations: list[Toleration] = wire([], list_type="atomic")


class RuntimeClass(TypedModel):
    GVK = GroupVersionKind("node.k8s.io", "v1", "RuntimeClass")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    handler: str = wire("", required=True, zero="kept")
    overhead: Overhead | None = None
    scheduling: Scheduling | None = None
