"""Packs (address, ports, ready) into the fewest subsets, in a stable order. Pure.

Addresses that serve the same ports share a subset; an address that is ready for a set of ports is
not also listed as not ready.

Source: upstream's pkg/api/v1/endpoints (RepackSubsets).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from wherry.api.core_v1 import EndpointAddress, EndpointPort, EndpointSubset


class Backend(NamedTuple):
    """One pod at one port; `port` None for a headless Service without ports."""

    address: EndpointAddress
    port: EndpointPort | None
    ready: bool


def _address_key(address: EndpointAddress) -> tuple[str, str, str]:
    return (address.ip, address.hostname, address.target_ref.uid if address.target_ref else "")


def _port_key(port: EndpointPort) -> tuple[str, str, int]:
    return (port.name, port.protocol, port.port)


def pack(backends: Iterable[Backend]) -> list[EndpointSubset]:
    """The canonical subsets of these backends."""
    ports: dict[tuple[tuple[str, str, str], bool], list[EndpointPort]] = {}
    who: dict[tuple[str, str, str], EndpointAddress] = {}
    for backend in backends:
        key = _address_key(backend.address)
        who[key] = backend.address
        offered = ports.setdefault((key, backend.ready), [])
        if backend.port is not None and backend.port not in offered:
            offered.append(backend.port)
    groups: dict[tuple[tuple[str, str, int], ...], EndpointSubset] = {}
    for (key, ready), offered in sorted(ports.items()):
        offered = sorted(offered, key=_port_key)
        group_key = tuple(_port_key(port) for port in offered)
        subset = groups.get(group_key, EndpointSubset(ports=offered))
        if ready:
            subset = subset.with_(addresses=[*subset.addresses, who[key]])
        else:
            subset = subset.with_(not_ready_addresses=[*subset.not_ready_addresses, who[key]])
        groups[group_key] = subset
    return [groups[key] for key in sorted(groups)]
