"""ComponentStatuss."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Model, TypedModel, wire


class ComponentCondition(Model):
    type: str = wire("", required=True, zero="kept")
    status: str = wire("", required=True, zero="kept")
    message: str = ""
    error: str = ""


class ComponentStatus(TypedModel):
    GVK = GroupVersionKind("", "v1", "ComponentStatus")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    conditions: list[ComponentCondition] = wire(
        [], list_type="map", keys=("type",), merge_key="type"
    )
