"""ResourceQuotas: names, scopes, Table rows. What they do is in `admission/resource_quota.py`.

Source: pkg/registry/core/resourcequota/strategy.go, ValidateResourceQuota, printResourceQuota.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.quota_names import (
    SCOPES,
    is_standard_quota,
    is_whole,
    quota_resource,
    scope_fits,
)
from apiserver.registry.validation.words import IMMUTABLE, NON_NEGATIVE
from wherry.api import quantity
from wherry.api.core_v1 import ResourceQuota
from wherry.api.errors import FieldError, invalid, required
from wherry.api.scheme import resource_of

_OPPOSITES: Final = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
# Scopes that an object has or has not; the others have values.
_PLAIN_SCOPES: Final = SCOPES - {"PriorityClass", "VolumeAttributesClass"}
_ONLY_EXISTS: Final = (
    "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, "
    "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
    "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)


class ResourceQuotaStrategy(Strategy):
    """What a namespace may hold altogether."""

    resource = resource_of(ResourceQuota)
    columns = (
        NAME,
        Column("Request", description="Used of what is bounded, apart from limits."),
        Column("Limit", description="Used of the bounded limits."),
        AGE,
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def prepare_for_create(self, tree: Tree) -> None:
        tree["status"] = {}

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["status"] = dict(old["status"])

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["spec"] = dict(old["spec"])

    def validate(self, tree: Tree) -> list[FieldError]:
        spec = tree["spec"]
        hard = spec.get("hard", {})
        return _amounts(hard, "spec.hard") + _scopes(spec, hard) + _selector(spec, hard)

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        new = tree["spec"].get("scopes", [])
        errors = self.validate(tree)
        if set(new) != set(old["spec"].get("scopes", ())):
            errors.append(invalid("spec.scopes", new or None, IMMUTABLE))
        return errors

    def validate_status_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        status = tree["status"]
        errors = _amounts(status.get("hard", {}), "status.hard")
        return errors + _amounts(status.get("used", {}), "status.used")

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        status = tree["status"]
        used = status.get("used", {})
        requests: list[str] = []
        limits: list[str] = []
        for name, hard in sorted(status.get("hard", {}).items()):
            shown = limits if name.startswith("limits") else requests
            shown.append(f"{name}: {used.get(name, '0')}/{hard}")
        return (
            tree["metadata"]["name"], ", ".join(requests), ", ".join(limits), created(tree, now),
        )  # fmt: skip


def _amounts(amounts: Mapping[str, str], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for name, amount in amounts.items():
        at = f"{path}[{name}]"
        errors += quota_resource(name, at)
        if quantity.parse(amount) < 0:
            errors.append(invalid(at, amount, NON_NEGATIVE))
        if is_whole(name) and quantity.milli(amount) % 1000:
            errors.append(invalid(at, amount, "must be an integer"))
    return errors


def _unfit(scope: str, hard: Mapping[str, str]) -> list[str]:
    """The bounded resources that a scope says nothing about."""
    return [
        name for name in sorted(hard) if is_standard_quota(name) and not scope_fits(scope, name)
    ]


def _opposed(scopes: set[str]) -> int:
    return sum(scopes.issuperset(pair) for pair in _OPPOSITES)


def _scopes(spec: Tree, hard: Mapping[str, str]) -> list[FieldError]:
    scopes, path = spec.get("scopes", []), "spec.scopes"
    errors: list[FieldError] = []
    for scope in scopes:
        if scope not in SCOPES:
            errors.append(invalid(path, scopes, "unsupported scope"))
        detail = "unsupported scope applied to resource"
        errors += [invalid(path, scopes, detail) for _ in _unfit(scope, hard)]
    conflicts = _opposed(set(scopes))
    return errors + [invalid(path, scopes, "conflicting scopes")] * conflicts


def _selector(spec: Tree, hard: Mapping[str, str]) -> list[FieldError]:
    selector = spec.get("scopeSelector")
    if selector is None:
        return []
    path = "spec.scopeSelector.matchExpressions"
    errors: list[FieldError] = []
    found = selector.get("matchExpressions", ())
    for requirement in found:
        scope = requirement["scopeName"]
        if scope not in SCOPES:
            errors.append(invalid(f"{path}.scopeName", scope, "unsupported scope"))
        detail = "unsupported scope applied to resource"
        errors += [invalid(path, selector, detail) for _ in _unfit(scope, hard)]
        errors += _requirement(requirement, path)
    conflicts = _opposed({one["scopeName"] for one in found})
    return errors + [invalid(path, spec.get("scopes"), "conflicting scopes")] * conflicts


def _requirement(requirement: Mapping[str, Any], path: str) -> list[FieldError]:
    operator, values = requirement["operator"], requirement.get("values", [])
    errors: list[FieldError] = []
    if requirement["scopeName"] in _PLAIN_SCOPES and operator != "Exists":
        errors.append(invalid(f"{path}.operator", operator, _ONLY_EXISTS))
    if operator in ("In", "NotIn"):
        if not values:
            detail = (
                "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            )
            errors.append(required(f"{path}.values", detail))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            detail = (
                "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            )
            errors.append(invalid(f"{path}.values", values, detail))
    else:
        errors.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))
    return errors
