"""Namespaces."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Model, Time, TypedModel, wire


class NamespaceSpec(Model):
    finalizers: list[str] = wire([], list_type="atomic")


class NamespaceCondition(Model):
    type: str = wire("", required=True, zero="kept")
    status: str = wire("", required=True, zero="kept")
    last_transition_time: Time | None = wire(None, zero="kept", number="4")
    reason: str = ""
    message: str = ""


class NamespaceStatus(Model):
    phase: str = wire("", enum=("Active", "Terminating"))
    conditions: list[NamespaceCondition] = wire(
        [], list_type="map", keys=("type",), merge_key="type"
    )


class Namespace(TypedModel):
    GVK = GroupVersionKind("", "v1", "Namespace")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: NamespaceSpec = wire(struct=NamespaceSpec)
    status: NamespaceStatus = wire(struct=NamespaceStatus)
