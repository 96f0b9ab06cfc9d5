"""References from one object to another."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Model, TypedModel, wire


class ObjectReference(Model):
    ATOMIC = True

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    resource_version: str = ""
    field_path: str = ""


class LocalObjectReference(Model):
    ATOMIC = True

    name: str = ""


class TypedLocalObjectReference(Model):
    ATOMIC = True

    api_group: str | None = wire(None, zero="kept")
    kind: str = wire("", required=True, zero="kept")
    name: str = wire("", required=True, zero="kept")


class TypedObjectReference(Model):
    api_group: str | None = wire(None, zero="kept")
    kind: str = wire("", required=True, zero="kept")
    name: str = wire("", required=True, zero="kept")
    namespace: str | None = None


class Binding(TypedModel):
    GVK = GroupVersionKind("", "v1", "Binding")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    target: ObjectReference = wire(struct=ObjectReference, required=True, zero="kept")
