"""The service-account token subresource."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int64, Model, Time, TypedModel, wire


class BoundObjectReference(Model):
    kind: str = ""
    api_version: str = ""
    name: str = ""
    uid: str = ""


class TokenRequestSpec(Model):
    audiences: list[str] = wire([], zero="kept", list_type="atomic")
    bound_object_ref: BoundObjectReference | None = wire(None, zero="kept", number="3")
    expiration_seconds: Int64 | None = wire(None, zero="kept")


class TokenRequestStatus(Model):
    token: str = wire("", zero="kept")
    expiration_timestamp: Time | None = wire(None, zero="kept")


class TokenRequest(TypedModel):
    GVK = GroupVersionKind("authentication.k8s.io", "v1", "TokenRequest")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: TokenRequestSpec = wire(struct=TokenRequestSpec, zero="kept")
    status: TokenRequestStatus = wire(struct=TokenRequestStatus)
