"""EndpointSlices: a part of a Service's endpoints, of one address family.

Source: pkg/apis/discovery/validation, pkg/registry/discovery/endpointslice/strategy.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.core.endpoints import non_special_ip
from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.ports import PROTOCOLS, TCP
from apiserver.registry.validation.words import (
    VALID_IP,
    each,
    immutable,
    invalids,
    labels,
    parse_ip,
)  # fmt: skip
from wherry.api import names
from wherry.api.discovery_v1 import EndpointSlice
from wherry.api.errors import FieldError, duplicate, invalid, not_supported, required, too_many
from wherry.api.scheme import resource_of

ADDRESS_TYPES: Final = ("FQDN", "IPv4", "IPv6")
ENDPOINTS_MAX: Final = 1000
ADDRESSES_MAX: Final = 100
PORTS_MAX: Final = 20_000
TOPOLOGY_MAX: Final = 16
ZONE_HINTS_MAX: Final = 8
SHOWN_MAX: Final = 3
_UNSET: Final = "<unset>"


class EndpointSliceStrategy(Strategy):
    """What its endpoints are (the address type) never changes."""

    resource = resource_of(EndpointSlice)
    has_generation = True
    columns = (
        NAME,
        Column("AddressType", description="IPv4, IPv6 or FQDN."),
        Column("Ports", description="The ports of every endpoint."),
        Column("Endpoints", description="The first few addresses."),
        AGE,
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        for port in tree.get("ports") or ():
            port.setdefault("name", "")
            port.setdefault("protocol", TCP)

    def validate(self, tree: Tree) -> list[FieldError]:
        kind = tree["addressType"]
        errors: list[FieldError] = []
        if not kind:
            errors.append(required("addressType"))
        elif kind not in ADDRESS_TYPES:
            errors.append(not_supported("addressType", kind, ADDRESS_TYPES))
        endpoints = tree["endpoints"] or ()
        if len(endpoints) > ENDPOINTS_MAX:
            errors.append(too_many("endpoints", len(endpoints), ENDPOINTS_MAX))
        else:
            errors += each(endpoints, "endpoints", lambda one, path: _endpoint(one, path, kind))
        return errors + _ports(tree.get("ports") or ())

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        errors = self.validate(tree)
        return errors + immutable(tree["addressType"], old["addressType"], "addressType")

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        return (
            tree["metadata"]["name"],
            tree["addressType"],
            _shown([str(port.get("port") or "*") for port in tree.get("ports") or ()]),
            _shown([one for each in tree["endpoints"] or () for one in each["addresses"] or ()]),
            created(tree, now),
        )


def _endpoint(endpoint: Mapping[str, Any], path: str, kind: str) -> list[FieldError]:
    addresses = endpoint["addresses"] or ()
    errors: list[FieldError] = []
    if not addresses:
        errors.append(required(f"{path}.addresses", "must contain at least 1 address"))
    elif len(addresses) > ADDRESSES_MAX:
        errors.append(too_many(f"{path}.addresses", len(addresses), ADDRESSES_MAX))
    errors += each(addresses, f"{path}.addresses", lambda one, at: _address(one, at, kind))
    if (node := endpoint.get("nodeName")) is not None:
        errors += invalids(f"{path}.nodeName", node, names.dns1123_subdomain(node))
    topology = endpoint.get("deprecatedTopology", {})
    if len(topology) > TOPOLOGY_MAX:
        errors.append(too_many(f"{path}.deprecatedTopology", len(topology), TOPOLOGY_MAX))
    errors += labels(topology, f"{path}.deprecatedTopology")
    if (hostname := endpoint.get("hostname")) is not None:
        errors += invalids(f"{path}.hostname", hostname, names.dns1123_label(hostname))
    return errors + _hints(endpoint.get("hints") or {}, f"{path}.hints")


def _address(address: str, path: str, kind: str) -> list[FieldError]:
    if kind == "FQDN":
        return _fqdn(address, path)
    if kind not in ADDRESS_TYPES:
        return []
    parsed = parse_ip(address)
    if parsed is None:
        return [invalid(path, address, VALID_IP)]
    if f"IPv{parsed.version}" != kind:
        article = "an" if kind in ("IPv4", "IPv6") else "a"
        return [invalid(path, address, f"must be {article} {kind} address")]
    return non_special_ip(address, path)


def _fqdn(name: str, path: str) -> list[FieldError]:
    """A domain name with at least two labels; a dot may end it."""
    if not name:
        return [required(path)]
    bare = name.removesuffix(".")
    problems = names.dns1123_subdomain(bare)
    if problems:
        return invalids(path, bare, problems)
    if "." not in bare:
        detail = "should be a domain with at least two segments separated by dots"
        return [invalid(path, bare, detail)]
    return []


def _hints(hints: Mapping[str, Any], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for field in ("forZones", "forNodes"):
        found = hints.get(field, ())
        if len(found) > ZONE_HINTS_MAX:
            errors.append(too_many(f"{path}.{field}", len(found), ZONE_HINTS_MAX))
            continue
        seen: set[str] = set()
        for index, one in enumerate(found):
            at = f"{path}.{field}[{index}].name"
            if one["name"] in seen:
                errors.append(duplicate(at, one["name"]))
            seen.add(one["name"])
            errors += invalids(at, one["name"], names.dns1123_subdomain(one["name"]))
    return errors


def _ports(ports: Sequence[Mapping[str, Any]]) -> list[FieldError]:
    if len(ports) > PORTS_MAX:
        return [too_many("ports", len(ports), PORTS_MAX)]
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, port in enumerate(ports):
        path = f"ports[{index}]"
        name = port["name"]
        if name:
            errors += invalids(f"{path}.name", name, names.dns1123_label(name))
        if name in seen:
            errors.append(duplicate(f"{path}.name", name))
        seen.add(name)
        if port["protocol"] not in PROTOCOLS:
            errors.append(not_supported(f"{path}.protocol", port["protocol"], PROTOCOLS))
        if (app := port.get("appProtocol")) is not None:
            errors += invalids(f"{path}.appProtocol", app, names.qualified_name(app))
    return errors


def _shown(found: Sequence[str]) -> str:
    if not found:
        return _UNSET
    shown = ",".join(found[:SHOWN_MAX])
    return f"{shown} + {len(found) - SHOWN_MAX} more..." if len(found) > SHOWN_MAX else shown
