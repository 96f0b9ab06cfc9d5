"""DeviceClasses: kinds of devices that claims may ask for.

Source: pkg/apis/resource/validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.strategy import Strategy, Tree
from apiserver.registry.validation.devices import (
    CONFIG_MAX,
    configuration_errors,
    limited,
    selectors_errors,
)
from apiserver.registry.validation.quota_names import is_extended
from wherry.api import names
from wherry.api.errors import FieldError, invalid
from wherry.api.resource_v1 import DeviceClass
from wherry.api.scheme import resource_of


class DeviceClassStrategy(Strategy):
    resource = resource_of(DeviceClass)
    has_generation = True
    columns = (NAME, AGE)

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        full = names.mask_trailing_dash(name) if prefix else name
        return names.dns1123_subdomain(full, unit="bytes")

    def validate(self, tree: Tree) -> list[FieldError]:
        spec = tree["spec"]
        errors = selectors_errors(spec.get("selectors", ()), "spec.selectors")
        errors += limited(spec.get("config", ()), CONFIG_MAX, "spec.config", configuration_errors)
        extended = spec.get("extendedResourceName")
        if extended is not None and not is_extended(extended):
            words = "must be a valid extended resource name"
            errors.append(invalid("spec.extendedResourceName", extended, words))
        return errors

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        return (tree["metadata"]["name"], created(tree, now))
