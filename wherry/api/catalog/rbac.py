"""The rbac.authorization.k8s.io group."""

from __future__ import annotations

from wherry.api.resource import Resource

MODELS = "wherry.api.rbac_v1"
GROUP = "rbac.authorization.k8s.io"

RESOURCES = (
    Resource(
        GROUP, "v1", "ClusterRoleBinding", "clusterrolebindings", MODELS, namespaced=False,
    ),
    Resource(GROUP, "v1", "ClusterRole", "clusterroles", MODELS, namespaced=False),
    Resource(GROUP, "v1", "RoleBinding", "rolebindings", MODELS),
    Resource(GROUP, "v1", "Role", "roles", MODELS),
)  # fmt: skip
