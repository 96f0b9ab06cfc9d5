"""ConfigMaps: keys that can be file names, a bounded size, and the choice to be immutable.

Source: pkg/registry/core/configmap/strategy.go, ValidateConfigMap of pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.words import invalids
from wherry.api import names
from wherry.api.core_v1 import ConfigMap
from wherry.api.errors import FieldError, forbidden_field, invalid, too_long
from wherry.api.scheme import resource_of

SIZE_MAX: Final = 1024 * 1024
_FROZEN: Final = "field is immutable when `immutable` is set"


def decoded_size(encoded: str) -> int:
    """How many bytes a canonical base64 text stands for."""
    return len(encoded) // 4 * 3 - encoded[-2:].count("=")


def frozen_changes(
    tree: Mapping[str, Any], old: Mapping[str, Any], fields: Sequence[str]
) -> list[FieldError]:
    """Errors for changes of an object that declared itself immutable."""
    if not old.get("immutable"):
        return []
    errors = [] if tree.get("immutable") else [forbidden_field("immutable", _FROZEN)]
    return errors + [
        forbidden_field(field, _FROZEN)
        for field in fields
        if tree.get(field, {}) != old.get(field, {})
    ]


class ConfigMapStrategy(Strategy):
    """Text in `data`, bytes in `binaryData`; a key is in one of them."""

    resource = resource_of(ConfigMap)
    columns = (NAME, Column("Data", description="How many keys it has."), AGE)

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def validate(self, tree: Tree) -> list[FieldError]:
        data, binary = tree.get("data", {}), tree.get("binaryData", {})
        errors: list[FieldError] = []
        size = 0
        for key, value in data.items():
            errors += invalids(f"data[{key}]", key, names.config_key(key))
            if key in binary:
                errors.append(
                    invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
                )
            size += len(value.encode())
        for key, value in binary.items():
            errors += invalids(f"binaryData[{key}]", key, names.config_key(key))
            size += decoded_size(value)
        if size > SIZE_MAX:
            errors.append(too_long("", SIZE_MAX))
        return errors

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return frozen_changes(tree, old, ("data", "binaryData")) + self.validate(tree)

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        count = len(tree.get("data", ())) + len(tree.get("binaryData", ()))
        return tree["metadata"]["name"], count, created(tree, now)
