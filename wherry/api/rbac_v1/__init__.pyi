"""The types of the rbac group, v1. A name is imported when it is first asked for."""

from wherry.api.rbac_v1.clusterrole import AggregationRule as AggregationRule
from wherry.api.rbac_v1.clusterrole import ClusterRole as ClusterRole
from wherry.api.rbac_v1.clusterrolebinding import ClusterRoleBinding as ClusterRoleBinding
from wherry.api.rbac_v1.common import PolicyRule as PolicyRule
from wherry.api.rbac_v1.common import RoleRef as RoleRef
from wherry.api.rbac_v1.common import Subject as Subject
from wherry.api.rbac_v1.role import Role as Role
from wherry.api.rbac_v1.rolebinding import RoleBinding as RoleBinding
