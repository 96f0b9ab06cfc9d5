"""VolumeAttributesClasses: attributes that a volume may be given later.

Source: pkg/apis/storage/validation, printVolumeAttributesClass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.storage.storageclass import parameters, provisioner
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.words import only_change
from wherry.api.errors import FieldError
from wherry.api.scheme import resource_of
from wherry.api.storage_v1 import VolumeAttributesClass


class VolumeAttributesClassStrategy(Strategy):
    """All of it is for life."""

    resource = resource_of(VolumeAttributesClass)
    columns = (NAME, Column("DriverName", description="The CSI driver that knows them."), AGE)

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def validate(self, tree: Tree) -> list[FieldError]:
        errors = provisioner(tree["driverName"], "driverName")
        return errors + parameters(tree.get("parameters", {}), "parameters", needed=True)

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        errors: list[FieldError] = []
        for field in ("driverName", "parameters"):
            words = f"updates to {field} are forbidden."
            errors += only_change(tree.get(field), old.get(field), field, words)
        return errors + self.validate(tree)

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        return tree["metadata"]["name"], tree["driverName"], created(tree, now)
