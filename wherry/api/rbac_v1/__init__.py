"""The types of the rbac group, v1. A name is imported when it is first asked for."""

from __future__ import annotations

from wherry.api.lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "clusterrole": ("AggregationRule", "ClusterRole"),
        "clusterrolebinding": ("ClusterRoleBinding",),
        "common": ("PolicyRule", "RoleRef", "Subject"),
        "role": ("Role",),
        "rolebinding": ("RoleBinding",),
    },
)
