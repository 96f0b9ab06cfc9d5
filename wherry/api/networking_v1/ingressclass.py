"""IngressClasss."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Model, TypedModel, wire


class IngressClassParametersReference(Model):
    kind: str = wire("", required=True, zero="kept", number="2")
    name: str = wire("", required=True, zero="kept")
    scope: str | None = wire(None, zero="kept")
    namespace: str | None = None
    api_group: str | None = wire(None, number="1")


class IngressClassSpec(Model):
    controller: str = ""
    parameters: IngressClassParametersReference | None = None


class IngressClass(TypedModel):
    GVK = GroupVersionKind("networking.k8s.io", "v1", "IngressClass")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: IngressClassSpec = wire(struct=IngressClassSpec)
