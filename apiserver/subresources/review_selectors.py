"""The field and label selectors an access review may ask about. Pure.

Source: pkg/apis/authorization/validation, pkg/registry/authorization/util/helpers.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apiserver.authz.authorizer import field_terms
from wherry.api import names
from wherry.api.errors import FieldError, forbidden_field, invalid, required
from wherry.api.field_selectors import FieldTerm

_SOME: Final = ("In", "NotIn")
_NONE: Final = ("Exists", "DoesNotExist")

Tree = Mapping[str, Any]


def selector_errors(asked: Tree, path: str) -> list[FieldError]:
    """What is wrong with the selectors of ResourceAttributes."""
    errors = []
    for field in ("fieldSelector", "labelSelector"):
        if (selector := asked.get(field)) is None:
            continue
        where = f"{path}.{field}"
        raw, requirements = selector.get("rawSelector", ""), selector.get("requirements") or ()
        if raw and requirements:
            words = "may not specified at the same time as requirements"
            errors.append(invalid(f"{where}.rawSelector", raw, words))
        if not raw and not requirements:
            words = f"when {where} is specified, requirements or rawSelector is required"
            errors.append(required(f"{where}.requirements", words))
        for index, one in enumerate(requirements):
            errors += _requirement(one, f"{where}.requirements[{index}]", field)
    return errors


def _requirement(one: Tree, path: str, field: str) -> list[FieldError]:
    operator, values = one.get("operator", ""), one.get("values") or ()
    errors = []
    if field == "fieldSelector" and not one.get("key"):
        errors.append(required(f"{path}.key", "must be specified"))
    if operator in _SOME and not values:
        words = "must be specified when `operator` is 'In' or 'NotIn'"
        errors.append(required(f"{path}.values", words))
    if operator in _NONE and values:
        words = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        errors.append(forbidden_field(f"{path}.values", words))
    if field == "labelSelector":
        key = one.get("key", "")
        errors += [invalid(f"{path}.key", key, words) for words in names.qualified_name(key)]
    return errors


def asked_fields(asked: Tree) -> tuple[FieldTerm, ...]:
    """The conditions an authorizer can use; what it can't is as if it were not asked."""
    selector = asked.get("fieldSelector") or {}
    if raw := selector.get("rawSelector"):
        return field_terms(raw)
    return tuple(
        FieldTerm(one["key"], one["operator"] == "In", one["values"][0])
        for one in selector.get("requirements") or ()
        if one.get("operator") in _SOME and len(one.get("values") or ()) == 1
    )
