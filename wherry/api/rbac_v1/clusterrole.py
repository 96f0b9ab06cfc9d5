"""ClusterRoles."""

from __future__ import annotations

from wherry.api.meta_v1.meta import LabelSelector, ObjectMeta
from wherry.api.model import GroupVersionKind, Model, TypedModel, wire
from wherry.api.rbac_v1.common import PolicyRule


class AggregationRule(Model):
    cluster_role_selectors: list[LabelSelector] = wire([], list_type="atomic")


class ClusterRole(TypedModel):
    GVK = GroupVersionKind("rbac.authorization.k8s.io", "v1", "ClusterRole")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    rules: list[PolicyRule] = wire([], zero="kept", list_type="atomic")
    aggregation_rule: AggregationRule | None = None
