"""Roles."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, TypedModel, wire
from wherry.api.rbac_v1.common import PolicyRule


class Role(TypedModel):
    GVK = GroupVersionKind("rbac.authorization.k8s.io", "v1", "Role")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    rules: list[PolicyRule] = wire([], zero="kept", list_type="atomic")
