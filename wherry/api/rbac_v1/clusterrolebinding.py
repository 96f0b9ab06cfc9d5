"""ClusterRoleBindings."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, TypedModel, wire
from wherry.api.rbac_v1.common import RoleRef, Subject


class ClusterRoleBinding(TypedModel):
    GVK = GroupVersionKind("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    subjects: list[Subject] = wire([], list_type="atomic")
    role_ref: RoleRef = wire(struct=RoleRef, required=True, zero="kept")
