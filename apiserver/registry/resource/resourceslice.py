"""ResourceSlices: the devices that a driver has, in a pool, on a node or on several.

Source: pkg/apis/resource/validation, pkg/registry/resource/resourceslice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.device_slice import DISABLED_KINDS, slice_errors
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.request import RequestContext
from wherry.api.errors import FieldError
from wherry.api.model import format_time
from wherry.api.resource_v1 import ResourceSlice
from wherry.api.scheme import resource_of


class ResourceSliceStrategy(Strategy):
    resource = resource_of(ResourceSlice)
    has_generation = True
    columns = (
        NAME,
        Column("Node", description="The node that has the devices."),
        Column("Driver", description="Who drives them."),
        Column("Pool", description="The pool they belong to."),
        AGE,
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def prepare_for_create(self, tree: Tree) -> None:
        _drop_disabled(tree["spec"])

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        _drop_disabled(tree["spec"])

    def stamp(self, tree: Tree, old: Mapping[str, Any] | None, ctx: RequestContext) -> None:
        """A taint says since when."""
        for device in tree["spec"].get("devices", ()):
            for taint in device.get("taints", ()):
                taint.setdefault("timeAdded", format_time(ctx.now))

    def validate(self, tree: Tree) -> list[FieldError]:
        return slice_errors(tree["spec"], None)

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return slice_errors(tree["spec"], old["spec"])

    def selectable_fields(self, tree: Mapping[str, Any]) -> dict[str, str]:
        spec = tree["spec"]
        return {"spec.driver": spec["driver"], "spec.nodeName": spec.get("nodeName") or ""}

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        spec = tree["spec"]
        return (
            tree["metadata"]["name"],
            spec.get("nodeName") or "",
            spec["driver"],
            spec["pool"]["name"],
            created(tree, now),
        )


def _drop_disabled(spec: Tree) -> None:
    """Fields of features that are off by default."""
    for device in spec.get("devices", ()):
        device.pop("nodeAllocatableResourceMappings", None)
        for attribute in device.get("attributes", {}).values():
            for field in DISABLED_KINDS:
                attribute.pop(field, None)
