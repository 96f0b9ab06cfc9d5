"""Which range each node gets. Pure.

Ranges are handed out in turn, so that one just given back is not used again at once; what other
nodes hold is never given out twice, also when a cache lags (`pending`).

Source of the rules: upstream's pkg/controller/nodeipam.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network

from controller_manager.plan import Emit, Patch, Plan
from wherry.api.core_v1 import Node

MASK_IPV4, MASK_IPV6 = 24, 64
Network = IPv4Network | IPv6Network


@dataclass
class Ranges:
    """The parts of one cluster range.

    next:    the part to try first
    pending: by node name, what was given out and is not yet seen on the node
    """

    cluster: Network
    mask: int
    reserved: Network | None = None
    next: int = 0
    pending: dict[str, Network] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return int(2 ** (self.mask - self.cluster.prefixlen))

    def part(self, index: int) -> Network:
        size = 1 << (self.cluster.max_prefixlen - self.mask)
        start = int(self.cluster.network_address) + index * size
        network = ip_network((start, self.mask))
        return network

    def allocate(self, name: str, held: Iterable[Network]) -> Network | None:
        """The next free part, noted as pending for the node; None when all are held."""
        known = self.pending.get(name)
        if known is not None:
            return known
        taken = [*held, *self.pending.values(), *([self.reserved] if self.reserved else [])]
        exact = set(taken)
        odd = [one for one in taken if one.prefixlen != self.mask]
        for step in range(self.count):
            index = (self.next + step) % self.count
            part = self.part(index)
            if part not in exact and not any(_overlap(part, one) for one in odd):
                self.next = (index + 1) % self.count
                self.pending[name] = part
                return part
        return None


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and (
        int(one.network_address) <= int(other.broadcast_address)
        and int(other.network_address) <= int(one.broadcast_address)
    )


def make_ranges(cidrs: Sequence[str], mask: int, reserved: str = "") -> list[Ranges]:
    """One `Ranges` for each cluster range; ValueError when a range or the mask cannot be."""
    found = []
    for text in cidrs:
        cluster = ip_network(text)
        size = mask or (MASK_IPV4 if cluster.version == 4 else MASK_IPV6)
        if not cluster.prefixlen <= size <= cluster.max_prefixlen:
            raise ValueError(f"a node's range of /{size} does not fit into {text}")
        kept = ip_network(reserved) if reserved else None
        same = kept if kept is not None and kept.version == cluster.version else None
        found.append(Ranges(cluster, size, same))
    return found


def held_by(nodes: Iterable[Node]) -> list[Network]:
    """The ranges that nodes have."""
    return [ip_network(text) for node in nodes for text in node.spec.pod_cidrs]


def plan_node(node: Node, others: Iterable[Node], ranges: Sequence[Ranges]) -> Plan:
    """The node's ranges, written into its spec; an Event when there are none left."""
    name = node.metadata.name
    if node.spec.pod_cidrs or node.metadata.deletion_timestamp is not None:
        for one in ranges:
            one.pending.pop(name, None)
        return Plan()
    held = held_by(others)
    given = [one.allocate(name, held) for one in ranges]
    texts = [str(network) for network in given if network is not None]
    if len(texts) != len(ranges):
        message = f"Node {name} status is now: CIDRNotAvailable"
        return Plan((Emit(node, "Normal", "CIDRNotAvailable", message),), requeue_after=30.0)
    patch = {"spec": {"podCIDR": texts[0], "podCIDRs": texts}}
    return Plan((Patch(Node, "", name, patch),))
