"""Label selectors inside objects.

Source: k8s.io/apimachinery/pkg/apis/meta/v1/validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.registry.validation.words import each, invalids, labels
from wherry.api import names
from wherry.api.errors import FieldError, forbidden_field, invalid, required

Selector = Mapping[str, Any]


def label_selector(selector: Selector | None, path: str) -> list[FieldError]:
    """What is wrong with a selector; nothing with an absent one."""
    if not selector:
        return []
    errors = labels(selector.get("matchLabels", {}), f"{path}.matchLabels")
    return errors + each(
        selector.get("matchExpressions", ()), f"{path}.matchExpressions", _requirement
    )


def _requirement(requirement: Mapping[str, Any], path: str) -> list[FieldError]:
    operator, values = requirement["operator"], requirement.get("values", ())
    errors: list[FieldError] = []
    if operator in ("In", "NotIn"):
        if not values:
            detail = "must be specified when `operator` is 'In' or 'NotIn'"
            errors.append(required(f"{path}.values", detail))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(forbidden_field(f"{path}.values", detail))
    else:
        errors.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))
    errors += invalids(f"{path}.key", requirement["key"], names.label_key(requirement["key"]))
    return errors + each(
        values, f"{path}.values", lambda value, at: invalids(at, value, names.label_value(value))
    )


def is_empty(selector: Selector) -> bool:
    return not selector.get("matchLabels") and not selector.get("matchExpressions")


def is_sound(selector: Selector) -> bool:
    """Whether it can be turned into a predicate at all."""
    return not label_selector(selector, "")
