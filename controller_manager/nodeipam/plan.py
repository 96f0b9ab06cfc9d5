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
RANGES_MAX = 2
PARTS_BITS_MAX = 16  # 65,536 nodes
Network = IPv4Network | IPv6Network


@dataclass
class Ranges:
    """The parts of one cluster range.

    next:    the part to try first
    pending: by node name, what was given out and is not yet seen on the node
    """

    cluster: Network
    mask: int
    reserved: Sequence[Network] = ()
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
        taken = [*held, *self.pending.values(), *self.reserved]
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


def mask_sizes(cidrs: Sequence[str], both: int, ipv4: int, ipv6: int) -> list[int]:
    """The length of a node's part of each cluster range. 0: not given, a default.

    ValueError, in upstream's words, when these do not fit each other (setNodeCIDRMaskSizes).
    """
    families = [ip_network(text).version for text in cidrs]
    if len(families) > RANGES_MAX:
        raise ValueError(f"len of clusters is:{len(families)} > more than max allowed of 2")
    if len(families) != len(set(families)):
        raise ValueError(
            f"len of ClusterCIDRs=={len(families)} and they are not configured as dual stack "
            "(at least one from each IPFamily"
        )
    if len(families) > 1 and both:
        raise ValueError("usage of --node-cidr-mask-size is not allowed with dual-stack clusters")
    if both and (ipv4 or ipv6):
        raise ValueError(
            "usage of --node-cidr-mask-size-ipv4 and --node-cidr-mask-size-ipv6 is not allowed if "
            "--node-cidr-mask-size is set. For dual-stack clusters please unset it and use IPFamily "
            "specific flags"
        )
    for size, version, other in ((ipv4, 4, 6), (ipv6, 6, 4)):
        if size and families == [other]:
            raise ValueError(
                f"usage of --node-cidr-mask-size-ipv{version} is not allowed for a single-stack "
                f"IPv{other} cluster"
            )
    sizes = {4: both or ipv4 or MASK_IPV4, 6: both or ipv6 or MASK_IPV6}
    return [sizes[version] for version in families]


def make_ranges(
    cidrs: Sequence[str], masks: Sequence[int], reserved: Iterable[str] = ()
) -> list[Ranges]:
    """One `Ranges` for each cluster range; ValueError when a range or a mask cannot be.

    reserved: the ranges of Services, kept from nodes
    """
    kept = [ip_network(text) for text in reserved]
    found = []
    for text, size in zip(cidrs, masks, strict=True):
        cluster = ip_network(text)
        if not cluster.prefixlen <= size <= cluster.max_prefixlen:
            raise ValueError(f"a node's range of /{size} does not fit into {text}")
        if size - cluster.prefixlen > PARTS_BITS_MAX:
            raise ValueError(
                "New CIDR set failed; the node CIDR size is too big: "
                f"a node's /{size} is more than {PARTS_BITS_MAX} bits longer than {text}"
            )
        same = [one for one in kept if one.version == cluster.version]
        for one in same:
            if one.prefixlen <= cluster.prefixlen and _overlap(one, cluster):
                raise ValueError(f"{text} lies in the range of Services, {one}")
        found.append(Ranges(cluster, size, same))
    return found


def held_by(nodes: Iterable[Node]) -> list[Network]:
    """The ranges that nodes have; texts that are none hold nothing."""
    found = []
    for node in nodes:
        for text in node.spec.pod_cidrs:
            try:
                found.append(ip_network(text))
            except ValueError:
                continue
    return found


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
