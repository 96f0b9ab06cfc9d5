"""ResourceQuotas."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Model, Quantity, TypedModel, wire


class ScopedResourceSelectorRequirement(Model):
    scope_name: str = wire(
        "",
        required=True,
        zero="kept",
        enum=(
            "BestEffort",
            "CrossNamespacePodAffinity",
            "NotBestEffort",
            "NotTerminating",
            "PriorityClass",
            "Terminating",
            "VolumeAttributesClass",
        ),
    )
    operator: str = wire(
        "", required=True, zero="kept", enum=("DoesNotExist", "Exists", "In", "NotIn")
    )
    values: list[str] = wire([], list_type="atomic")


class ScopeSelector(Model):
    ATOMIC = True

    match_expressions: list[ScopedResourceSelectorRequirement] = wire([], list_type="atomic")


class ResourceQuotaSpec(Model):
    hard: dict[str, Quantity] = {}
    scopes: list[str] = wire([], list_type="atomic")
    scope_selector: ScopeSelector | None = None


class ResourceQuotaStatus(Model):
    hard: dict[str, Quantity] = {}
    used: dict[str, Quantity] = {}


class ResourceQuota(TypedModel):
    GVK = GroupVersionKind("", "v1", "ResourceQuota")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: ResourceQuotaSpec = wire(struct=ResourceQuotaSpec)
    status: ResourceQuotaStatus = wire(struct=ResourceQuotaStatus)
