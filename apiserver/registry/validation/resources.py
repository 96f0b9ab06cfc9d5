"""What containers request and are limited to.

Source: ValidateResourceRequirements of pkg/apis/core/validation, pkg/apis/core/helper.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apiserver.registry.validation.words import NON_NEGATIVE, invalids
from wherry.api import names, quantity
from wherry.api.errors import FieldError, forbidden_field, invalid, required

STANDARD: Final = frozenset({"cpu", "memory", "ephemeral-storage"})
HUGE_PAGES: Final = "hugepages-"
_NATIVE_DOMAIN: Final = "kubernetes.io/"
_EXTENDED_MAX: Final = 63


def validate_resources(resources: Mapping[str, Any], path: str) -> list[FieldError]:
    """`limits` and `requests`, each alone and together."""
    limits, requests = resources.get("limits", {}), resources.get("requests", {})
    errors: list[FieldError] = []
    for field, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            at = f"{path}.{field}[{name}]"
            if name not in STANDARD:
                errors += resource_name(name, at)
            errors += amount_of(name, amount, at)
            if field == "requests":
                errors += _against_limit(name, amount, limits.get(name), path)
    if _lonely_huge_pages(limits, requests):
        errors.append(forbidden_field(path, "HugePages require cpu or memory"))
    return errors


def basic_resource(amount: str, path: str) -> list[FieldError]:
    """An amount of whatever it is: not negative."""
    if not amount.startswith("-"):
        return []
    return [invalid(path, quantity.value(amount), "must be a valid resource quantity")]


def _lonely_huge_pages(limits: Mapping[str, str], requests: Mapping[str, str]) -> bool:
    named = limits.keys() | requests.keys()
    huge = any(name.startswith(HUGE_PAGES) for name in named)
    return huge and not named & {"cpu", "memory"}


def resource_name(name: str, path: str) -> list[FieldError]:
    """A resource a container may ask for."""
    errors = invalids(path, name, names.qualified_name(name))
    if errors:
        return errors
    if "/" not in name:
        if name in STANDARD or name.startswith(HUGE_PAGES):
            return []
        return [invalid(path, name, "must be a standard resource for containers")]
    if _NATIVE_DOMAIN in name or _is_extended(name):
        return []
    return [invalid(path, name, "doesn't follow extended resource name standard")]


def _is_extended(name: str) -> bool:
    quota = f"requests.{name}"
    return not name.startswith("requests.") and not names.qualified_name(quota)


def amount_of(name: str, amount: str, path: str) -> list[FieldError]:
    """An amount of a named resource: not negative, and whole where it can only be counted."""
    if amount.startswith("-"):
        return [invalid(path, amount, NON_NEGATIVE)]
    if "/" in name and quantity.milli(amount) % 1000:
        return [invalid(path, amount, "must be an integer")]
    return []


def _against_limit(name: str, amount: str, limit: str | None, path: str) -> list[FieldError]:
    fixed = name not in STANDARD and _NATIVE_DOMAIN not in name
    if limit is None:
        detail = "Limit must be set for non overcommitable resources"
        return [required(f"{path}.limits", detail)] if fixed else []
    if amount == limit:
        return []
    more = quantity.parse(amount) - quantity.parse(limit)
    if fixed and more:
        detail = f"must be equal to {name} limit of {limit}"
    elif more > 0:
        detail = f"must be less than or equal to {name} limit of {limit}"
    else:
        return []
    return [invalid(f"{path}.requests", amount, detail)]
