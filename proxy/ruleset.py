"""What the packet filter of one node has to do, as values.

A `Ruleset` says which destination goes to which chain, and what a chain does; `render` turns it into
nftables text, `compile` makes it from Services and EndpointSlices. Nothing here knows either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Verdict = Literal["reject", "drop"]
# Whose source address is replaced by this node's, so that answers come back through it:
# everybody's, nobody's, or that of clients outside the pods' ranges.
Masquerade = Literal["always", "never", "outside"]


class Endpoint(NamedTuple):
    address: str
    port: int


class Frontend(NamedTuple):
    """Where clients send to: a service's address, protocol (`tcp`, `udp`, `sctp`) and port."""

    address: str
    protocol: str
    port: int


class NodePort(NamedTuple):
    """A port on every address of this node."""

    protocol: str
    port: int


@dataclass(frozen=True, slots=True)
class Chain:
    """Picks one of its endpoints.

    affinity_seconds: how long a client keeps its endpoint; 0 = no affinity
    affinity_group:   chains with the same group share what they remember of clients
    inside:           the chain to which clients on this node and in pods go instead
    """

    protocol: str
    endpoints: tuple[Endpoint, ...]
    masquerade: Masquerade
    affinity_seconds: int = 0
    affinity_group: str = ""
    inside: str = ""


@dataclass(frozen=True, slots=True)
class Ruleset:
    """services, node_ports: the chain for each destination
    refused, refused_ports: destinations without endpoints
    cluster_ips: addresses whose other ports are refused
    hairpins:    addresses of this node's endpoints, which may be their own clients
    pods:        the pods' address ranges
    """

    services: Mapping[Frontend, str] = field(default_factory=dict)
    node_ports: Mapping[NodePort, str] = field(default_factory=dict)
    chains: Mapping[str, Chain] = field(default_factory=dict)
    refused: Mapping[Frontend, Verdict] = field(default_factory=dict)
    refused_ports: Mapping[NodePort, Verdict] = field(default_factory=dict)
    cluster_ips: frozenset[str] = frozenset()
    hairpins: frozenset[str] = frozenset()
    pods: frozenset[str] = frozenset()
