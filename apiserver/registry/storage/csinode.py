"""CSINodes: which storage drivers a node has.

Source: pkg/apis/storage/validation, printCSINode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.persistent_volume import csi_driver_name
from apiserver.registry.validation.words import immutable, invalids, non_negative
from wherry.api import names
from wherry.api.errors import FieldError, duplicate, invalid, required
from wherry.api.scheme import resource_of
from wherry.api.storage_v1 import CSINode

NODE_ID_MAX: Final = 256


class CSINodeStrategy(Strategy):
    """A driver that is there stays as it is, except how many volumes it may attach."""

    resource = resource_of(CSINode)
    allow_unconditional_update = False
    columns = (NAME, Column("Drivers", "integer", description="How many drivers it has."), AGE)

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def validate(self, tree: Tree) -> list[FieldError]:
        errors: list[FieldError] = []
        seen: set[str] = set()
        for index, driver in enumerate(tree["spec"]["drivers"] or ()):
            path = f"spec.drivers[{index}]"
            errors += _driver(driver, path)
            if driver["name"] in seen:
                errors.append(duplicate(f"{path}.name", driver["name"]))
            seen.add(driver["name"])
        return errors

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        before = {one["name"]: one for one in old["spec"]["drivers"] or ()}
        errors = self.validate(tree)
        for one in tree["spec"]["drivers"] or ():
            if one["name"] in before:
                was = _fixed(before[one["name"]])
                errors += immutable(_fixed(one), was, "spec.drivers")
        return errors

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        return tree["metadata"]["name"], len(tree["spec"]["drivers"] or ()), created(tree, now)


def _fixed(driver: Mapping[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in driver.items() if field != "allocatable"}


def _driver(driver: Mapping[str, Any], path: str) -> list[FieldError]:
    errors = csi_driver_name(driver["name"], f"{path}.name")
    node = driver["nodeID"]
    if not node:
        errors.append(required(f"{path}.nodeID"))
    if len(node) > NODE_ID_MAX:
        errors.append(invalid(f"{path}.nodeID", node, f"must be {NODE_ID_MAX} characters or less"))
    allocatable = driver.get("allocatable") or {}
    errors += non_negative(allocatable.get("count"), f"{path}.allocatable.count")
    seen: set[str] = set()
    for key in driver["topologyKeys"] or ():
        if not key:
            errors.append(required(path))
        if key in seen:
            errors.append(duplicate(path, key))
        seen.add(key)
        errors += invalids(path, key, names.qualified_name(key))
    return errors
