"""PodDisruptionBudgets: rules, Table rows. Evictions ask them in `subresources/eviction.py`.

Source: pkg/registry/policy/poddisruptionbudget/strategy.go, pkg/apis/policy/validation,
printPodDisruptionBudget.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.apps.workload import amount, at_most_all
from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import segment_name
from apiserver.registry.validation.selector import label_selector
from apiserver.registry.validation.words import non_negative
from wherry.api.errors import FieldError, invalid, not_supported
from wherry.api.policy_v1 import PodDisruptionBudget
from wherry.api.scheme import resource_of

EVICTION_POLICIES: Final = ("AlwaysAllow", "IfHealthyBudget")
_COUNTS: Final = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
_BOUNDS: Final = ("minAvailable", "maxUnavailable")


class PodDisruptionBudgetStrategy(Strategy):
    """How many of some pods may be away by intention."""

    resource = resource_of(PodDisruptionBudget)
    has_generation = True
    allow_unconditional_update = False
    columns = (
        NAME,
        Column("Min Available", description="Pods that must stay available."),
        Column("Max Unavailable", description="Pods that may be unavailable."),
        Column("Allowed Disruptions", "integer", description="Pods that may be evicted now."),
        AGE,
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return segment_name(name, prefix=prefix)

    def prepare_for_create(self, tree: Tree) -> None:
        tree["status"] = dict.fromkeys(_COUNTS, 0)

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["status"] = dict(old["status"])

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["spec"] = dict(old["spec"])

    def validate(self, tree: Tree) -> list[FieldError]:
        spec = tree["spec"]
        errors: list[FieldError] = []
        if all(spec.get(field) is not None for field in _BOUNDS):
            detail = "minAvailable and maxUnavailable cannot be both set"
            errors.append(invalid("spec", spec, detail))
        for field in _BOUNDS:
            if (value := spec.get(field)) is not None:
                errors += amount(value, f"spec.{field}") + at_most_all(value, f"spec.{field}")
        errors += label_selector(spec.get("selector"), "spec.selector")
        policy = spec.get("unhealthyPodEvictionPolicy")
        if policy is not None and policy not in EVICTION_POLICIES:
            path = "spec.unhealthyPodEvictionPolicy"
            errors.append(not_supported(path, policy, EVICTION_POLICIES))
        return errors

    def validate_status_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        errors: list[FieldError] = []
        for field in _COUNTS:
            errors += non_negative(tree["status"].get(field, 0), f"status.{field}")
        return errors

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        spec, status = tree["spec"], tree["status"]
        lowest, most = ("N/A" if spec.get(field) is None else str(spec[field]) for field in _BOUNDS)
        allowed = status.get("disruptionsAllowed", 0)
        return (tree["metadata"]["name"], lowest, most, allowed, created(tree, now))
