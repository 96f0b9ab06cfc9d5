"""LimitRanges: defaults that follow from other limits, and rules between them.

Source: pkg/registry/core/limitrange/strategy.go, SetDefaults_LimitRangeItem, ValidateLimitRange.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from apiserver.registry.strategy import Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.quota_names import is_overcommittable, standard_resource
from apiserver.registry.validation.resources import resource_name
from apiserver.registry.validation.words import each, invalids
from wherry.api import names, quantity
from wherry.api.core_v1 import LimitRange
from wherry.api.errors import FieldError, duplicate, forbidden_field, invalid, required
from wherry.api.scheme import resource_of

CONTAINER: Final = "Container"
POD: Final = "Pod"
CLAIM: Final = "PersistentVolumeClaim"
_TYPES: Final = (POD, CONTAINER, CLAIM)
_NOTHING: Final[Mapping[str, str]] = {}
# In upstream's order of looking at them.
_MAPS: Final = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")


class LimitRangeStrategy(Strategy):
    """What pods and claims of a namespace may ask for, each."""

    resource = resource_of(LimitRange)
    allow_create_on_update = True

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        for item in tree["spec"].get("limits") or ():
            if item["type"] == CONTAINER:
                _default(item)

    def prepare_for_create(self, tree: Tree) -> None:
        metadata = tree["metadata"]
        if not metadata.get("name"):  # upstream makes one up here, for this kind only
            metadata["name"] = metadata["uid"]

    def validate(self, tree: Tree) -> list[FieldError]:
        seen: set[str] = set()

        def check(item: Mapping[str, Any], path: str) -> list[FieldError]:
            kind = item["type"]
            errors = _type(kind, f"{path}.type")
            if kind in seen:
                errors.append(duplicate(f"{path}.type", kind))
            seen.add(kind)
            return errors + _item(item, path)

        return each(tree["spec"].get("limits") or (), "spec.limits", check)


def _default(item: Tree) -> None:
    default = dict(item.get("default", _NOTHING))
    request = dict(item.get("defaultRequest", _NOTHING))
    for name, amount in item.get("max", _NOTHING).items():
        default.setdefault(name, amount)
    for source in (default, item.get("min", _NOTHING)):
        for name, amount in source.items():
            request.setdefault(name, amount)
    for field, amounts in (("default", default), ("defaultRequest", request)):
        if amounts:
            item[field] = {name: amounts[name] for name in sorted(amounts)}


def _type(kind: str, path: str) -> list[FieldError]:
    errors = invalids(path, kind, names.qualified_name(kind))
    if not errors and "/" not in kind and kind not in _TYPES:
        errors.append(invalid(path, kind, "must be a standard limit type or fully qualified"))
    return errors


def _item(item: Mapping[str, Any], path: str) -> list[FieldError]:
    kind = item["type"]
    check = resource_name if kind in (POD, CONTAINER) else standard_resource
    errors: list[FieldError] = []
    for field in _MAPS:
        amounts = item.get(field, _NOTHING)
        if kind == POD and field in ("default", "defaultRequest"):
            if amounts:
                detail = "may not be specified when `type` is 'Pod'"
                errors.append(forbidden_field(f"{path}.{field}", detail))
            continue
        for name in amounts:
            errors += check(name, f"{path}.{field}[{name}]")
    if kind == CLAIM and not any(
        "storage" in item.get(field, _NOTHING) for field in ("min", "max")
    ):
        detail = "either minimum or maximum storage value is required, but neither was provided"
        errors.append(required(f"{path}.limits", detail))
    found = {name for field in _MAPS for name in item.get(field, _NOTHING)}
    for name in sorted(found):
        errors += _Amounts(item, name, path).errors()
    return errors


class _Amounts:
    """All that an item says of one resource."""

    def __init__(self, item: Mapping[str, Any], name: str, path: str) -> None:
        self._texts = {
            field: item[field][name] for field in _MAPS if name in item.get(field, _NOTHING)
        }
        self._name = name
        self._path = path

    def errors(self) -> list[FieldError]:
        errors = self._above("min", "max", "min", "min value {} is greater than max value {}")
        words = "min value {} is greater than default request value {}"
        errors += self._above(
            "min", "defaultRequest", "defaultRequest", words, shown="defaultRequest"
        )
        words = "default request value {} is greater than max value {}"
        errors += self._above("defaultRequest", "max", "defaultRequest", words)
        words = "default request value {} is greater than default limit value {}"
        errors += self._above("defaultRequest", "default", "defaultRequest", words)
        words = "min value {} is greater than default value {}"
        errors += self._above("min", "default", "default", words)
        words = "default value {} is greater than max value {}"
        errors += self._above("default", "max", "default", words, shown="max")
        return errors + self._ratio() + self._fixed()

    def _amount(self, field: str) -> Decimal:
        return quantity.parse(self._texts[field])

    def _has(self, *fields: str) -> bool:
        return all(field in self._texts for field in fields)

    def _above(
        self, low: str, high: str, at: str, words: str, *, shown: str = ""
    ) -> list[FieldError]:
        """An error when `low` is more than `high`."""
        if not self._has(low, high) or self._amount(low) <= self._amount(high):
            return []
        detail = words.format(self._texts[low], self._texts[high])
        return [invalid(f"{self._path}.{at}[{self._name}]", self._texts[shown or low], detail)]

    def _ratio(self) -> list[FieldError]:
        field = "maxLimitRequestRatio"
        if not self._has(field):
            return []
        path, text, ratio = (
            f"{self._path}.{field}[{self._name}]",
            self._texts[field],
            self._amount(field),
        )
        errors: list[FieldError] = []
        if ratio < 1:
            errors.append(invalid(path, text, f"ratio {text} is less than 1"))
        if self._has("min", "max") and self._amount("min"):
            most = self._amount("max") / self._amount("min")
            if ratio > most:
                detail = f"ratio {text} is greater than max/min = {most:f}"
                errors.append(invalid(path, text, detail))
        return errors

    def _fixed(self) -> list[FieldError]:
        """What can't be overcommitted has one amount for request and limit."""
        if is_overcommittable(self._name) or not self._has("default", "defaultRequest"):
            return []
        default, request = self._texts["default"], self._texts["defaultRequest"]
        if self._amount("default") == self._amount("defaultRequest"):
            return []
        detail = (
            f"default value {default} must equal to defaultRequest value {request} in {self._name}"
        )
        return [invalid(f"{self._path}.defaultRequest[{self._name}]", request, detail)]
