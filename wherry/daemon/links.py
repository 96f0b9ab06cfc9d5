"""This machine's network interfaces, and what the pod network makes of them. Pure but for `read_links`.

Proxy and kubelet decide from the same facts by the same functions, so that pods' interfaces fit the
routes between nodes without the two speaking to each other.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
)
from typing import Any, Final, Literal

import orjson

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network
PodNetworkMode = Literal["auto", "direct", "vxlan", "none"]

MODES: Final[tuple[PodNetworkMode, ...]] = ("auto", "direct", "vxlan", "none")
BRIDGE: Final = "wherry0"  # the pods' bridge, made by the bridge plug-in for the kubelet
VTEPS: Final = {4: "wherry-vxlan", 6: "wherry-vxlan6"}  # our VXLAN interfaces, by outer family
# What VXLAN adds: inner Ethernet 14, VXLAN 8, UDP 8, and the outer IP header.
VXLAN_OVERHEAD: Final = {4: 50, 6: 70}
MTU_DEFAULT: Final = 1500
COMMAND_SECONDS_MAX: Final = 10.0


class LinksError(Exception):
    """The interfaces cannot be read."""


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface: its name, MTU in bytes, whether it is up, its addresses with prefixes."""

    name: str
    mtu: int
    is_up: bool
    addresses: tuple[Interface, ...] = ()


def parse_links(text: bytes) -> tuple[Link, ...]:
    """What `ip -j address show` prints; LinksError when it is something else."""
    try:
        tree = orjson.loads(text or b"[]")
        return tuple(_link(one) for one in tree if "ifname" in one)
    except (ValueError, KeyError, TypeError) as error:
        raise LinksError(f"ip -j address: {error}") from error


def _link(tree: dict[str, Any]) -> Link:
    addresses = tuple(
        ip_interface(f"{one['local']}/{one['prefixlen']}")
        for one in tree.get("addr_info", ())
        if "local" in one
    )
    return Link(tree["ifname"], tree["mtu"], "UP" in tree["flags"], addresses)


async def read_links() -> tuple[Link, ...]:
    """The interfaces of this network namespace. By `ip`: /sys may show another namespace's."""
    return await asyncio.to_thread(_read)


def _read() -> tuple[Link, ...]:
    try:
        done = subprocess.run(
            ("ip", "-j", "address", "show"),
            capture_output=True, timeout=COMMAND_SECONDS_MAX, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise LinksError(f"ip -j address: {error}") from error
    return parse_links(done.stdout)


def underlay_mtu(links: Iterable[Link], address: Address) -> int:
    """The MTU of the interface with this address; 1500 when none has it (or only the loopback)."""
    for link in links:
        if link.name != "lo" and any(one.ip == address for one in link.addresses):
            return link.mtu
    return MTU_DEFAULT


def pod_mtu(mode: PodNetworkMode, links: Sequence[Link], node_addresses: Sequence[Address]) -> int:
    """The MTU of pods' interfaces on a node with these addresses.

    In `auto`, too, there is room for VXLAN's headers, whether or not a node needs them now: one that
    does may join at any time, and running pods keep the MTU they were given.
    """
    outer = outer_address(node_addresses)
    if outer is None:
        return MTU_DEFAULT
    mtu = underlay_mtu(links, outer)
    return mtu - VXLAN_OVERHEAD[outer.version] if mode in ("auto", "vxlan") else mtu


def outer_address(node_addresses: Sequence[Address]) -> Address | None:
    """The node's address that VXLAN uses by preference: the first IPv4 one, else the first."""
    return next(
        (one for one in node_addresses if one.version == 4), next(iter(node_addresses), None)
    )


def overlapping(one: Network, links: Iterable[Link]) -> tuple[Link, Network] | None:
    """The first interface, other than ours, that is on a network which overlaps this range."""
    for link, network in host_networks(links):
        if overlap(one, network):
            return link, network
    return None


def host_networks(links: Iterable[Link]) -> list[tuple[Link, Network]]:
    """The networks this machine is on, without ours, the loopback's and link-local ones."""
    ours = {BRIDGE, *VTEPS.values(), "lo"}
    return [
        (link, one.network)
        for link in links
        if link.name not in ours
        for one in link.addresses
        if one.network.prefixlen < one.max_prefixlen and not one.is_link_local
    ]


def overlap(one: Network, other: Network) -> bool:
    """Whether two ranges share an address; never across families."""
    return (
        one.version == other.version
        and int(one.network_address) <= int(other.broadcast_address)
        and int(other.network_address) <= int(one.broadcast_address)
    )


def contains(outer: Network, inner: Network) -> bool:
    """Whether all of `inner` lies in `outer`."""
    return (
        outer.version == inner.version
        and int(outer.network_address) <= int(inner.network_address)
        and int(inner.broadcast_address) <= int(outer.broadcast_address)
    )


def addresses_of(texts: Iterable[str]) -> tuple[Address, ...]:
    """The IP addresses among these texts."""
    found = []
    for text in texts:
        try:
            found.append(ip_address(text))
        except ValueError:
            continue
    return tuple(found)
