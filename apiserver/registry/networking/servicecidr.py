"""ServiceCIDRs: networks that Services get addresses from.

Source: pkg/apis/networking/validation, pkg/registry/networking/servicecidr/strategy.go,
printServiceCIDR.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.addresses import network, parse_network
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.words import IMMUTABLE, each
from wherry.api.errors import FieldError, invalid, required
from wherry.api.networking_v1 import ServiceCIDR
from wherry.api.scheme import resource_of

CIDRS_MAX: Final = 2
_ONE_EACH: Final = (
    "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
)


class ServiceCIDRStrategy(Strategy):
    """Its networks are for life; one of the other family may be added."""

    resource = resource_of(ServiceCIDR)
    columns = (NAME, Column("CIDRs", description="The networks."), AGE)

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def prepare_for_create(self, tree: Tree) -> None:
        tree["status"] = {}

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["status"] = dict(old["status"])

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["spec"] = dict(old["spec"])

    def validate(self, tree: Tree) -> list[FieldError]:
        return _networks(tree["spec"])

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        new, before = tree["spec"].get("cidrs", []), old["spec"].get("cidrs", [])
        path = "spec.cidrs"
        if len(new) != len(before) and (len(before), len(new)) != (1, CIDRS_MAX):
            return [invalid(path, new or None, IMMUTABLE)]
        errors = [
            invalid(f"{path}[{index}]", new[index], IMMUTABLE)
            for index, was in enumerate(before)
            if new[index] != was
        ]
        return errors if len(new) == len(before) else errors + _networks(tree["spec"])

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        shown = ",".join(tree["spec"].get("cidrs", ()))
        return tree["metadata"]["name"], shown, created(tree, now)


def _networks(spec: Mapping[str, Any]) -> list[FieldError]:
    found, path = spec.get("cidrs", []), "spec.cidrs"
    if not found:
        return [required(path, "at least one CIDR required")]
    if len(found) > CIDRS_MAX:
        return [invalid(path, dict(spec), f"may only hold up to {CIDRS_MAX} values")]
    errors = each(found, path, lambda one, at: network(one, at, canonical=True))
    parsed = [parse_network(one) for one in found]
    versions = [one.version for one in parsed if one is not None]
    if versions in ([4, 4], [6, 6]):
        errors.append(invalid(path, found, _ONE_EACH))
    return errors
