"""How this node reaches the other nodes' pods. Pure: `plan(peers, me, links, mode)` says what the
kernel should hold; `proxy/kernel.py` brings it there.

A node whose address lies in a network this machine is on is reached directly: one route by way of its
address. Any other is reached by VXLAN: the route leads into a VXLAN interface, to an address (the
first of the node's pod range) that no host answers for; its neighbour entry names the other end's MAC
and a forwarding entry the node behind that MAC. Nothing is learned or flooded, and as a MAC is made
from the node's name, nodes have nothing to tell each other. The way of flannel's VXLAN backend.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import Final, NamedTuple

from wherry.api.core_v1.node import Node
from wherry.daemon.links import (
    VTEPS,
    VXLAN_OVERHEAD,
    Address,
    Link,
    Network,
    PodNetworkMode,
    addresses_of,
    contains,
    overlap,
    overlapping,
    underlay_mtu,
)

VXLAN_PORT: Final = 8472  # Linux' own default, flannel's too: what people open in their firewalls
VXLAN_ID: Final = 8087
PROBLEMS_MAX: Final = 50  # of one plan; the rest would say the same


@dataclass(frozen=True, slots=True)
class Peer:
    """A node as the pod network sees it: its InternalIPs and pod ranges, the preferred ones first.

    problems: what of these could not be read
    """

    name: str
    addresses: tuple[Address, ...]
    ranges: tuple[Network, ...]
    problems: tuple[str, ...] = ()

    def address(self, version: int) -> Address | None:
        """Its first address of an IP family."""
        return next((one for one in self.addresses if one.version == version), None)


class Route(NamedTuple):
    """By way of this address; through a VXLAN interface of ours, or ("") wherever the address is."""

    gateway: Address
    device: str = ""


class Neighbour(NamedTuple):
    """On a VXLAN interface, this inner address has this MAC."""

    device: str
    address: Address
    mac: str


class Forward(NamedTuple):
    """What goes to this MAC is sent, wrapped, to this node address."""

    device: str
    mac: str
    to: Address


class Vtep(NamedTuple):
    """A VXLAN interface of ours: outer address, MAC, MTU, inner addresses."""

    local: Address
    mac: str
    mtu: int
    addresses: frozenset[Address]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the kernel should hold of ours, and what cannot be (a line for each cause)."""

    routes: Mapping[Network, Route] = field(default_factory=dict)
    vteps: Mapping[str, Vtep] = field(default_factory=dict)
    neighbours: frozenset[Neighbour] = frozenset()
    forwards: frozenset[Forward] = frozenset()
    problems: tuple[str, ...] = ()


def peer(node: Node) -> Peer:
    """The part of a Node that matters here."""
    ranges: list[Network] = []
    problems = []
    for text in node.spec.pod_cidrs or ([node.spec.pod_cidr] if node.spec.pod_cidr else []):
        try:
            ranges.append(ip_network(text))
        except ValueError as error:
            problems.append(f"pod range of node {node.metadata.name}: {error}")
    internal = [one.address for one in node.status.addresses if one.type == "InternalIP"]
    return Peer(node.metadata.name, addresses_of(internal), tuple(ranges), tuple(problems))


def vtep_mac(node: str) -> str:
    """The MAC of a node's VXLAN interface: locally administered, made from the node's name."""
    digest = hashlib.sha256(f"wherry vtep {node}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))


def plan(peers: Iterable[Peer], me: str, links: Sequence[Link], mode: PodNetworkMode) -> Plan:
    """Routes to the pods of every other node. The same input gives the same plan, in any order."""
    if mode == "none":
        return Plan()
    by_name = {one.name: one for one in peers}
    drawing = _Drawing(by_name.get(me, Peer(me, (), ())), links, mode)
    for name in sorted(by_name.keys() - {me}):
        other = by_name[name]
        drawing.problems += other.problems
        for one in other.ranges:
            drawing.add(other, one)
    return drawing.plan()


def is_near(address: Address, links: Iterable[Link]) -> bool:
    """Whether an address lies in a network this machine is on, not by way of our own interfaces."""
    return any(
        address in one.network
        for link in links
        if link.is_up and link.name not in VTEPS.values()
        for one in link.addresses
        if one.version == address.version and one.ip != address
    )


class _Taken(NamedTuple):
    """A pod range in use, in the order of its family and first address."""

    version: int
    start: int
    network: Network
    node: str


class _Drawing:
    """A plan while it is being made."""

    def __init__(self, me: Peer, links: Sequence[Link], mode: PodNetworkMode) -> None:
        self._me = me
        self._links = links
        self._mode = mode
        # What is inside our own ranges is the pods' side of this node, whoever made it.
        self._foreign = [without(link, me.ranges) for link in links]
        # Ranges in use, disjoint and sorted: the only ones to overlap another are beside its place.
        self._taken: list[_Taken] = []
        self._routes: dict[Network, Route] = {}
        self._vteps: dict[str, Vtep] = {}
        self._neighbours: set[Neighbour] = set()
        self._forwards: set[Forward] = set()
        self.problems: list[str] = []
        for mine in me.ranges:
            self._take(mine, me.name)

    def plan(self) -> Plan:
        return Plan(
            self._routes,
            self._vteps,
            frozenset(self._neighbours),
            frozenset(self._forwards),
            tuple(self.problems[:PROBLEMS_MAX]),
        )

    def add(self, other: Peer, one: Network) -> None:
        """A route to one range of a node, or the reason why there is none."""
        whose = f"pod range {one} of node {other.name}"
        if conflict := self._conflict(one):
            self.problems.append(f"{whose} {conflict}")
            return
        self._take(one, other.name)
        gateway = other.address(one.version)
        near = gateway is not None and is_near(gateway, self._links)
        if gateway is not None and near and self._mode != "vxlan":
            self._routes[one] = Route(gateway)
        elif self._mode == "direct":
            self.problems.append(f"{whose} cannot be reached directly: {_far(one, gateway)}")
        elif trouble := self._tunnel(other, one):
            self.problems.append(f"{whose} cannot be reached: {trouble}")

    def _take(self, one: Network, name: str) -> None:
        insort(self._taken, _Taken(one.version, int(one.network_address), one, name))

    def _conflict(self, one: Network) -> str:
        place = bisect_left(self._taken, (one.version, int(one.network_address)))
        for taken in self._taken[max(place - 1, 0) : place + 1]:
            if overlap(taken.network, one):
                return (
                    f"overlaps {taken.network} of node {taken.node}:"
                    " correct spec.podCIDRs of one of them"
                )
        if found := overlapping(one, self._foreign):
            link, network = found
            return (
                f"overlaps {network}, which this machine is on ({link.name}):"
                " choose another --cluster-cidr"
            )
        return ""

    def _tunnel(self, other: Peer, one: Network) -> str:
        """Reach a range by VXLAN; what is in the way, "" when nothing is."""
        if not self._me.addresses:
            return ""  # our own Node is not there yet: it comes, and with it the next plan
        version = next((v for v in (4, 6) if self._me.address(v) and other.address(v)), 0)
        local, remote = self._me.address(version), other.address(version)
        if local is None or remote is None:
            return "the two nodes have no InternalIP of the same family"
        device, mac = VTEPS[version], vtep_mac(other.name)
        mtu = underlay_mtu(self._links, local) - VXLAN_OVERHEAD[version]
        inner = frozenset(mine.network_address for mine in self._me.ranges)
        self._vteps[device] = Vtep(local, vtep_mac(self._me.name), mtu, inner)
        gateway = one.network_address
        self._routes[one] = Route(gateway, device)
        self._neighbours.add(Neighbour(device, gateway, mac))
        self._forwards.add(Forward(device, mac, remote))
        return ""


def without(link: Link, ranges: Iterable[Network]) -> Link:
    """The interface without its addresses in networks inside these ranges."""
    kept = tuple(
        one for one in link.addresses if not any(contains(mine, one.network) for mine in ranges)
    )
    return replace(link, addresses=kept)


def _far(one: Network, gateway: Address | None) -> str:
    if gateway is None:
        return f"it has no IPv{one.version} InternalIP"
    return f"{gateway} is on no network of this machine; --pod-network=auto would use VXLAN"
