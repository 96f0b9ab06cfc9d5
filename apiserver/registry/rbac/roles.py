"""Roles and ClusterRoles: what may be done.

Source: pkg/apis/rbac/validation, pkg/registry/rbac/{role,clusterrole}/strategy.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.registry.rbac.guard import Guard
from apiserver.registry.strategy import Strategy, Tree
from apiserver.registry.validation.metadata import segment_name
from apiserver.registry.validation.selector import label_selector
from apiserver.registry.validation.words import each
from apiserver.request import RequestContext
from wherry.api.errors import FieldError, invalid, required
from wherry.api.rbac_v1 import ClusterRole, Role
from wherry.api.scheme import resource_of


class _RoleStrategy(Strategy):
    allow_create_on_update = True
    # Who may write them is checked where somebody is there to check it.
    guard: Guard | None = None

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return segment_name(name, prefix=False)

    def stamp(self, tree: Tree, old: Mapping[str, Any] | None, ctx: RequestContext) -> None:
        if self.guard is not None:
            self.guard.role(self.resource, tree, old, ctx)


class RoleStrategy(_RoleStrategy):
    """What may be done in its namespace."""

    resource = resource_of(Role)

    def validate(self, tree: Tree) -> list[FieldError]:
        return each(tree["rules"] or (), "rules", _namespaced_rule)


class ClusterRoleStrategy(_RoleStrategy):
    """What may be done anywhere, also to paths that are no resources."""

    resource = resource_of(ClusterRole)

    def validate(self, tree: Tree) -> list[FieldError]:
        errors = each(tree["rules"] or (), "rules", _rule)
        if (aggregation := tree.get("aggregationRule")) is None:
            return errors
        path = "aggregationRule.clusterRoleSelectors"
        selectors = aggregation.get("clusterRoleSelectors", ())
        if not selectors:
            words = "at least one clusterRoleSelector required if aggregationRule is non-nil"
            return [*errors, required(path, words)]
        return errors + each(selectors, path, label_selector)


def _namespaced_rule(rule: Mapping[str, Any], path: str) -> list[FieldError]:
    urls = rule.get("nonResourceURLs")
    if not urls:
        return _rule(rule, path)
    words = "namespaced rules cannot apply to non-resource URLs"
    errors = _rule(rule, path)
    errors.insert(0 if rule["verbs"] else 1, invalid(f"{path}.nonResourceURLs", urls, words))
    return errors


def _rule(rule: Mapping[str, Any], path: str) -> list[FieldError]:
    groups, resources = rule.get("apiGroups"), rule.get("resources")
    named, urls = rule.get("resourceNames"), rule.get("nonResourceURLs")
    errors: list[FieldError] = []
    if not rule["verbs"]:
        errors.append(required(f"{path}.verbs", "verbs must contain at least one value"))
    if urls:
        if groups or resources or named:
            words = "rules cannot apply to both regular resources and non-resource URLs"
            errors.append(invalid(f"{path}.nonResourceURLs", urls, words))
        return errors
    if not groups:
        words = "resource rules must supply at least one api group"
        errors.append(required(f"{path}.apiGroups", words))
    if not resources:
        words = "resource rules must supply at least one resource"
        errors.append(required(f"{path}.resources", words))
    return errors
