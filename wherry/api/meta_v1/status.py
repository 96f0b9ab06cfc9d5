"""The answer of a failed (or bodiless) request, and the options of a deletion."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ListMeta
from wherry.api.model import GroupVersionKind, Int32, Int64, Model, TypedModel, wire


class StatusCause(Model):
    reason: str = ""
    message: str = ""
    field: str = ""


class StatusDetails(Model):
    name: str = ""
    group: str = ""
    kind: str = ""
    causes: list[StatusCause] = wire([], list_type="atomic")
    retry_after_seconds: Int32 = 0
    uid: str = ""


class Status(TypedModel):
    GVK = GroupVersionKind("", "v1", "Status")

    metadata: ListMeta = wire(struct=ListMeta)
    status: str = ""
    message: str = ""
    reason: str = ""
    details: StatusDetails | None = None
    code: Int32 = 0


class Preconditions(Model):
    uid: str | None = None
    resource_version: str | None = None


class DeleteOptions(TypedModel):
    GVK = GroupVersionKind("", "v1", "DeleteOptions")

    grace_period_seconds: Int64 | None = None
    preconditions: Preconditions | None = None
    orphan_dependents: bool | None = None
    propagation_policy: str | None = None
    dry_run: list[str] = wire([], list_type="atomic")
    ignore_store_read_error_with_cluster_breaking_potential: bool | None = None
