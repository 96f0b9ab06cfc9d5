"""Controller revisions."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int64, RawObject, TypedModel, wire


class ControllerRevision(TypedModel):
    GVK = GroupVersionKind("apps", "v1", "ControllerRevision")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    data: RawObject | None = wire(None, zero="kept")
    revision: Int64 = wire(0, required=True, zero="kept")
