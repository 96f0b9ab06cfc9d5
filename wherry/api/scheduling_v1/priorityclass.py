"""Priority classes."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, TypedModel, wire


class PriorityClass(TypedModel):
    GVK = GroupVersionKind("scheduling.k8s.io", "v1", "PriorityClass")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    value: Int32 = wire(0, zero="kept")
    global_default: bool = False
    description: str = ""
    preemption_policy: str | None = wire(None, enum=("Never", "PreemptLowerPriority"))
