"""Endpoints: the older way to say where a Service's pods are.

Source: pkg/registry/core/endpoint/strategy.go, ValidateEndpoints of pkg/apis/core/validation.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.printing import AGE, NAME, NONE, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.ports import PROTOCOLS, TCP
from apiserver.registry.validation.words import each, invalids, ip, parse_ip
from wherry.api import names
from wherry.api.core_v1 import Endpoints
from wherry.api.errors import FieldError, invalid, not_supported, required
from wherry.api.scheme import resource_of

SHOWN_MAX: Final = 3  # addresses in a Table cell
DEPRECATED: Final = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"


class EndpointsStrategy(Strategy):
    """Subsets are kept as they were sent; whoever reads them merges them."""

    resource = resource_of(Endpoints)
    allow_create_on_update = True
    deprecation = DEPRECATED
    columns = (NAME, Column("Endpoints", description="The first few addresses and ports."), AGE)

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        for subset in tree.get("subsets", ()):
            for port in subset.get("ports", ()):
                port.setdefault("protocol", TCP)

    def validate(self, tree: Tree) -> list[FieldError]:
        return each(tree.get("subsets", ()), "subsets", _subset)

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        return tree["metadata"]["name"], _shown(tree.get("subsets", ())), created(tree, now)


def _subset(subset: Mapping[str, Any], path: str) -> list[FieldError]:
    addresses, not_ready = subset.get("addresses", ()), subset.get("notReadyAddresses", ())
    errors: list[FieldError] = []
    if not addresses and not not_ready:
        errors.append(required(path, "must specify `addresses` or `notReadyAddresses`"))
    errors += each(addresses, f"{path}.addresses", _address)
    errors += each(not_ready, f"{path}.notReadyAddresses", _address)
    ports = subset.get("ports", ())
    for index, port in enumerate(ports):
        errors += _port(port, f"{path}.ports[{index}]", name_required=len(ports) > 1)
    return errors


def _address(address: Mapping[str, Any], path: str) -> list[FieldError]:
    errors = ip(address["ip"], f"{path}.ip")
    if hostname := address.get("hostname"):
        errors += invalids(f"{path}.hostname", hostname, names.dns1123_label(hostname))
    if (node := address.get("nodeName")) is not None:
        errors += invalids(f"{path}.nodeName", node, names.dns1123_subdomain(node))
    return errors + non_special_ip(address["ip"], f"{path}.ip")


def non_special_ip(text: str, path: str) -> list[FieldError]:
    """An endpoint may not point back at the node or its link."""
    address = parse_ip(text)
    if address is None:
        return [invalid(path, text, "must be a valid IP address")]
    problems = []
    if address.is_unspecified:
        problems.append("may not be unspecified (0.0.0.0 or ::)")
    if address.is_loopback:
        problems.append("may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if address.is_link_local:
        problems.append("may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if address in _LINK_LOCAL_MULTICAST[address.version]:
        problems.append("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")
    return invalids(path, text, problems)


_LINK_LOCAL_MULTICAST: Final = {
    4: ipaddress.ip_network("224.0.0.0/24"),
    6: ipaddress.ip_network("ff02::/16"),
}


def _port(port: Mapping[str, Any], path: str, *, name_required: bool) -> list[FieldError]:
    name = port.get("name", "")
    errors: list[FieldError] = []
    if name:
        errors += invalids(f"{path}.name", name, names.dns1123_label(name))
    elif name_required:
        errors.append(required(f"{path}.name"))
    errors += invalids(f"{path}.port", port["port"], names.port_number(port["port"]))
    protocol = port.get("protocol", "")
    if not protocol:
        errors.append(required(f"{path}.protocol"))
    elif protocol not in PROTOCOLS:
        errors.append(not_supported(f"{path}.protocol", protocol, PROTOCOLS))
    if (app := port.get("appProtocol")) is not None:
        errors += invalids(f"{path}.appProtocol", app, names.qualified_name(app))
    return errors


def _shown(subsets: Sequence[Mapping[str, Any]]) -> str:
    """The first addresses with their ports, and how many more there are."""
    listed: list[str] = []
    count = 0
    for subset in subsets:
        hosts = [_bracketed(one["ip"]) for one in subset.get("addresses", ())]
        ports = [port["port"] for port in subset.get("ports", ())]
        pairs = [f"{host}:{port}" for port in ports for host in hosts] if ports else hosts
        count += len(pairs)
        listed += pairs
    if not subsets:
        return NONE
    shown = ",".join(listed[:SHOWN_MAX])
    return f"{shown} + {count - SHOWN_MAX} more..." if count > SHOWN_MAX else shown


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
