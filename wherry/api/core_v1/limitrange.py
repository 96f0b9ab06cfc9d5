"""LimitRanges."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Model, Quantity, TypedModel, wire


class LimitRangeItem(Model):
    type: str = wire("", required=True, zero="kept")
    max: dict[str, Quantity] = {}
    min: dict[str, Quantity] = {}
    default: dict[str, Quantity] = {}
    default_request: dict[str, Quantity] = {}
    max_limit_request_ratio: dict[str, Quantity] = {}


class LimitRangeSpec(Model):
    limits: list[LimitRangeItem] = wire([], required=True, zero="kept", list_type="atomic")


class LimitRange(TypedModel):
    GVK = GroupVersionKind("", "v1", "LimitRange")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: LimitRangeSpec = wire(struct=LimitRangeSpec)
