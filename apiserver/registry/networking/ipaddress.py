"""IPAddresses: each is an address of a Service, named by it.

Source: pkg/apis/networking/validation, printIPAddress.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apiserver.registry.printing import NAME, NONE
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.addresses import address_problems
from apiserver.registry.validation.words import immutable, invalids
from wherry.api import names
from wherry.api.errors import FieldError, required
from wherry.api.networking_v1 import IPAddress
from wherry.api.scheme import resource_of


class IPAddressStrategy(Strategy):
    """Whose address it is is for life."""

    resource = resource_of(IPAddress)
    columns = (NAME, Column("ParentRef", description="Whose address it is."))

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return address_problems(name)

    def validate(self, tree: Tree) -> list[FieldError]:
        parent, path = tree["spec"].get("parentRef"), "spec.parentRef"
        if parent is None:
            return [required(path)]
        errors: list[FieldError] = []
        if group := parent.get("group"):
            errors += invalids(f"{path}.group", group, names.dns1123_subdomain(group))
        for field in ("resource", "name"):
            value, at = parent.get(field, ""), f"{path}.{field}"
            errors += invalids(at, value, names.path_segment(value)) if value else [required(at)]
        if namespace := parent.get("namespace"):
            errors += invalids(f"{path}.namespace", namespace, names.path_segment(namespace))
        return errors

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        field = "parentRef"
        return immutable(tree["spec"].get(field), old["spec"].get(field), f"spec.{field}")

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        parent, shown = tree["spec"].get("parentRef"), NONE
        if parent:
            group = parent.get("group")
            resource = parent.get("resource", "")
            parts = (
                f"{resource}.{group}".lower() if group else resource.lower(),
                parent.get("namespace", ""),
                parent.get("name", ""),
            )
            shown = "/".join(part for part in parts if part)
        return tree["metadata"]["name"], shown
