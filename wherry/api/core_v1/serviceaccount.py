"""Service accounts."""

from __future__ import annotations

from wherry.api.core_v1.reference import LocalObjectReference, ObjectReference
from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, TypedModel, wire


class ServiceAccount(TypedModel):
    GVK = GroupVersionKind("", "v1", "ServiceAccount")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    secrets: list[ObjectReference] = wire([], list_type="map", keys=("name",), merge_key="name")
    image_pull_secrets: list[LocalObjectReference] = wire([], list_type="atomic")
    automount_service_account_token: bool | None = None
