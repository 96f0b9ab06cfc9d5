"""Which rules a ClusterRole gathers from others: pure.

Source of the rules: upstream's pkg/controller/clusterroleaggregation.
"""

from __future__ import annotations

from collections.abc import Iterable

from controller_manager.plan import NOTHING, Patch, Plan
from wherry.api.rbac_v1 import ClusterRole, PolicyRule
from wherry.api.selectors import label_selector


def plan_aggregation(role: ClusterRole | None, roles: Iterable[ClusterRole]) -> Plan:
    """Give a role the rules of all roles that it selects. `roles` may hold it too."""
    if role is None or role.aggregation_rule is None:
        return NOTHING
    rules = gathered(role, roles)
    if rules == role.rules:
        return NOTHING
    patch = {"rules": [rule.to_wire() for rule in rules]}
    return Plan((Patch(ClusterRole, "", role.metadata.name, patch, type="merge"),))


def gathered(role: ClusterRole, roles: Iterable[ClusterRole]) -> list[PolicyRule]:
    """By selector, then by name; each rule once."""
    assert role.aggregation_rule is not None, "asked of roles that gather"
    others = sorted(
        (one for one in roles if one.metadata.name != role.metadata.name),
        key=lambda one: one.metadata.name,
    )
    rules: list[PolicyRule] = []
    for wanted in role.aggregation_rule.cluster_role_selectors:
        selector = label_selector(wanted)
        for other in others:
            if selector.matches(other.metadata.labels):
                rules += [rule for rule in other.rules if rule not in rules]
    return rules
