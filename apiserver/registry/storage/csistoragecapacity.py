"""CSIStorageCapacities: how much storage a driver has left somewhere.

Source: pkg/apis/storage/validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.registry.strategy import Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.persistent_volume import class_name
from apiserver.registry.validation.selector import label_selector
from apiserver.registry.validation.words import NON_NEGATIVE, immutable
from wherry.api.errors import FieldError, invalid
from wherry.api.scheme import resource_of
from wherry.api.storage_v1 import CSIStorageCapacity


class CSIStorageCapacityStrategy(Strategy):
    """What was asked of the driver is for life."""

    resource = resource_of(CSIStorageCapacity)
    allow_unconditional_update = False

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def validate(self, tree: Tree) -> list[FieldError]:
        errors = label_selector(tree.get("nodeTopology"), "nodeTopology")
        errors += class_name(tree["storageClassName"], "storageClassName")
        capacity = tree.get("capacity")
        if capacity is not None and capacity.startswith("-"):
            errors.append(invalid("capacity", capacity, NON_NEGATIVE))
        return errors

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        errors: list[FieldError] = []
        for field in ("nodeTopology", "storageClassName"):
            errors += immutable(tree.get(field), old.get(field), field)
        return errors
