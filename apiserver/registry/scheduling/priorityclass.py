"""PriorityClasses: names for numbers; `system-` names and numbers beyond a billion are reserved.

Source: pkg/apis/scheduling/validation, pkg/apis/scheduling/v1/helpers.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.words import immutable, only_change, unsupported
from wherry.api.errors import FieldError, forbidden_field
from wherry.api.scheduling_v1 import PriorityClass
from wherry.api.scheme import resource_of

PREEMPT_LOWER: Final = "PreemptLowerPriority"
PREEMPTION_POLICIES: Final = (PREEMPT_LOWER, "Never")
USER_MAX: Final = 1_000_000_000
SYSTEM_PREFIX: Final = "system-"
SYSTEM_VALUES: Final[Mapping[str, int]] = {
    "system-node-critical": 2 * USER_MAX + 1000,
    "system-cluster-critical": 2 * USER_MAX,
}


class PriorityClassStrategy(Strategy):
    """Value and preemption policy never change: pods have copied them."""

    resource = resource_of(PriorityClass)
    has_generation = True
    columns = (
        NAME,
        Column("Value", "integer", description="The priority pods of this class get."),
        Column("Global-Default", "boolean", description="Whether pods without a class get it."),
        AGE,
        Column("PreemptionPolicy", description="Whether its pods displace others."),
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        if tree.get("preemptionPolicy") is None:
            tree["preemptionPolicy"] = PREEMPT_LOWER

    def validate(self, tree: Tree) -> list[FieldError]:
        errors: list[FieldError] = []
        name, value = tree["metadata"].get("name", ""), tree["value"]
        if name.startswith(SYSTEM_PREFIX):
            if problem := _system_problem(name, value, bool(tree.get("globalDefault"))):
                words = (
                    "priority class names with 'system-' prefix are reserved for system use only."
                )
                errors.append(forbidden_field("metadata.name", f"{words} error: {problem}"))
        elif value > USER_MAX:
            detail = f"maximum allowed value of a user defined priority is {USER_MAX}"
            errors.append(forbidden_field("value", detail))
        policy = tree.get("preemptionPolicy")
        if policy not in PREEMPTION_POLICIES:
            errors.append(unsupported("preemptionPolicy", policy, PREEMPTION_POLICIES))
        return errors

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        errors = only_change(
            tree["value"], old["value"], "value", "may not be changed in an update."
        )
        policy, before = tree.get("preemptionPolicy"), old.get("preemptionPolicy")
        return errors + immutable(policy, before, "preemptionPolicy")

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        return (
            tree["metadata"]["name"],
            tree["value"],
            tree.get("globalDefault", False),
            created(tree, now),
            tree.get("preemptionPolicy", ""),
        )


def _system_problem(name: str, value: int, is_default: bool) -> str:
    if name not in SYSTEM_VALUES:
        return f"{name} is not a known system priority class"
    if value != SYSTEM_VALUES[name]:
        return f"value of {name} PriorityClass must be {SYSTEM_VALUES[name]}"
    return f"globalDefault of {name} PriorityClass must be false" if is_default else ""
