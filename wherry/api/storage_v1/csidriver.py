"""CSIDrivers."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int64, Model, TypedModel, wire


class TokenRequest(Model):
    audience: str = wire("", required=True, zero="kept")
    expiration_seconds: Int64 | None = None


class CSIDriverSpec(Model):
    attach_required: bool | None = None
    pod_info_on_mount: bool | None = None
    volume_lifecycle_modes: list[str] = wire([], list_type="set")
    storage_capacity: bool | None = None
    fs_group_policy: str | None = None
    token_requests: list[TokenRequest] = wire([], list_type="atomic")
    requires_republish: bool | None = None
    se_linux_mount: bool | None = None
    node_allocatable_update_period_seconds: Int64 | None = None
    service_account_token_in_secrets: bool | None = None
    prevent_pod_scheduling_if_missing: bool | None = None


class CSIDriver(TypedModel):
    GVK = GroupVersionKind("storage.k8s.io", "v1", "CSIDriver")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: CSIDriverSpec = wire(struct=CSIDriverSpec, required=True, zero="kept")
