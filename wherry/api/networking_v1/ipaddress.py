"""IPAddresss."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Model, TypedModel, wire


class ParentReference(Model):
    group: str = ""
    resource: str = wire("", required=True)
    namespace: str = ""
    name: str = wire("", required=True)


class IPAddressSpec(Model):
    parent_ref: ParentReference | None = wire(None, required=True)


class IPAddress(TypedModel):
    GVK = GroupVersionKind("networking.k8s.io", "v1", "IPAddress")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: IPAddressSpec = wire(struct=IPAddressSpec, required=True)
