"""Leases."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, MicroTime, Model, TypedModel, wire


class LeaseSpec(Model):
    holder_identity: str | None = None
    lease_duration_seconds: Int32 | None = None
    acquire_time: MicroTime | None = None
    renew_time: MicroTime | None = None
    lease_transitions: Int32 | None = None
    strategy: str | None = None
    preferred_holder: str | None = None


class Lease(TypedModel):
    GVK = GroupVersionKind("coordination.k8s.io", "v1", "Lease")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: LeaseSpec = wire(struct=LeaseSpec)
