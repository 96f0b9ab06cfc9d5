"""Configuration data."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import Base64, GroupVersionKind, TypedModel, wire


class ConfigMap(TypedModel):
    GVK = GroupVersionKind("", "v1", "ConfigMap")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    data: dict[str, str] = {}
    binary_data: dict[str, Base64] = {}
    immutable: bool | None = None


class Secret(TypedModel):
    GVK = GroupVersionKind("", "v1", "Secret")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    data: dict[str, Base64] = {}
    type: str = ""
    string_data: dict[str, str] = {}
    immutable: bool | None = None
