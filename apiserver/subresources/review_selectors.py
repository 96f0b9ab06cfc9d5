"""The field and label selectors an access review may ask about. Pure.

Source: pkg/apis/authorization/validation, pkg/registry/authorization/util/helpers.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from wherry.api import names
from wherry.api.errors import FieldError, forbidden_field, invalid, required
from wherry.api.field_selectors import FieldTerm, parse_field_selector
from wherry.api.selectors import label_selector, parse_label_selector

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


@dataclass(frozen=True, slots=True)
class Asked:
    """The conditions an authorizer can use; what it can't is as if it were not asked.

    labels:  a selector's text
    ignored: what was left out, in upstream's words
    """

    fields: tuple[FieldTerm, ...] = ()
    labels: str = ""
    ignored: tuple[str, ...] = ()


def asked_selectors(asked: Tree) -> Asked:
    """The selectors of ResourceAttributes."""
    fields, fields_ignored = _fields(asked.get("fieldSelector") or {})
    labels, labels_ignored = _labels(asked.get("labelSelector") or {})
    ignored = []
    for field, used, bad in (
        ("fieldSelector", fields, fields_ignored),
        ("labelSelector", labels, labels_ignored),
    ):
        if bad:
            how = "partially ignored" if used else "ignored"
            ignored.append(f"spec.resourceAttributes.{field} {how} due to parse error")
    return Asked(fields, ",".join(labels), tuple(ignored))


def _fields(selector: Tree) -> tuple[tuple[FieldTerm, ...], bool]:
    """The conditions, and whether some could not be used."""
    if raw := selector.get("rawSelector"):
        try:
            return parse_field_selector(raw).terms, False
        except ValueError:
            return (), True
    asked = selector.get("requirements") or ()
    terms = tuple(
        FieldTerm(one["key"], one["operator"] == "In", one["values"][0])
        for one in asked
        if one.get("operator") in _SOME and len(one.get("values") or ()) == 1
    )
    return terms, len(terms) < len(asked)


def _labels(selector: Tree) -> tuple[list[str], bool]:
    """The same of labels, each condition as text."""
    if raw := selector.get("rawSelector"):
        try:
            return [str(one) for one in parse_label_selector(raw).requirements], False
        except ValueError:
            return [], True
    found, bad = [], False
    for one in selector.get("requirements") or ():
        try:
            found.append(str(label_selector({"matchExpressions": [{"operator": "", **one}]})))
        except ValueError:
            bad = True
    return found, bad
