"""A Service and its EndpointSlices → its part of the node's table, in one family. Pure.

Headless and ExternalName services have nothing to filter; those with the label
`service.kubernetes.io/service-proxy-name` belong to another proxy.

Source: pkg/proxy/{servicechangetracker,serviceport}.go and pkg/proxy/nftables of upstream.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from proxy.endpoints import Backends, Endpoint, Place, backends_of
from proxy.family import Family
from proxy.models import EndpointSlice, Service, ServicePort
from proxy.ruleset import NOTHING, Part

SERVICE_NAME_LABEL: Final = "kubernetes.io/service-name"
PROXY_NAME_LABEL: Final = "service.kubernetes.io/service-proxy-name"
HEADLESS_LABEL: Final = "service.kubernetes.io/headless"
DEFAULT_AFFINITY_SECONDS: Final = 10_800
NAME_MAX: Final = 120  # of a chain; the kernel takes 255, people fewer
REMEMBERED_CLIENTS_MAX: Final = 65_536  # per endpoint with session affinity
MARK: Final = "0x4000"  # "masquerade this": the bit upstream uses
MASQUERADE: Final = f"meta mark set meta mark or {MARK}"

Verdict = Literal["reject", "drop"]


class Frontend(NamedTuple):
    """Where clients send to: a service's address ("" = any of the node's), protocol and port."""

    address: str
    protocol: str
    port: int

    @property
    def key(self) -> str:
        return " . ".join(str(one) for one in self if one != "")


@dataclass(frozen=True, slots=True)
class Compiled:
    """part: what the table shall hold. udp: where UDP clients send to → the addresses that answer.

    unserved: for each port whose Local policy leaves it without endpoints, though there are some on
    other nodes: `internal` or `external`
    """

    part: Part = NOTHING
    udp: Mapping[Frontend, frozenset[str]] = field(default_factory=dict)
    unserved: tuple[str, ...] = ()


@dataclass(slots=True)
class _Draft:
    """A part while it is being put together."""

    service: Service
    family: Family
    place: Place
    sets: dict[str, str] = field(default_factory=dict)
    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    elements: dict[str, dict[str, str]] = field(default_factory=dict)
    udp: dict[Frontend, frozenset[str]] = field(default_factory=dict)
    unserved: list[str] = field(default_factory=list)

    def map(self, name: str, key: str, value: str = "") -> None:
        self.elements.setdefault(name, {}).setdefault(key, value)

    def chain(self, role: str, port: ServicePort, rules: Sequence[str]) -> str:
        """Put in a chain and answer with its name, which stands for its content."""
        meta = self.service.metadata
        protocol = (port.protocol or "TCP").lower()
        identity = f"{meta.namespace}/{meta.name}/{protocol}/{port.name or port.port}"
        digest = short_hash(f"{identity}\n" + "\n".join(rules))
        name = f"{role}-{digest}-{identity}"[:NAME_MAX].rstrip("-/.")
        self.chains[name] = tuple(rules)
        return name

    def destination(self, frontend: Frontend, chain: str, refusal: Verdict | None) -> None:
        """`chain` translates what goes there; what it lets pass, or all, meets the refusal."""
        suffix = "" if frontend.address else "_ports"
        table = ("node_ports" if suffix else "services", f"refused{suffix}")
        if chain:
            self.map(table[0], frontend.key, f"goto {chain}")
        if refusal:
            value = "drop" if refusal == "drop" else "goto no_endpoint"
            self.map(table[1], frontend.key, value)

    def answering(self, frontend: Frontend, endpoints: Sequence[Endpoint]) -> None:
        if frontend.protocol == "udp":
            self.udp[frontend] = frozenset(one.address for one in endpoints)


def is_ours(service: Service) -> bool:
    labels = service.metadata.labels
    return (
        service.spec.cluster_ip not in ("", "None")
        and service.spec.type != "ExternalName"
        and PROXY_NAME_LABEL not in labels
        and HEADLESS_LABEL not in labels
    )


def compile_service(
    service: Service, slices: Sequence[EndpointSlice], place: Place, family: Family
) -> Compiled:
    """What this Service stands for on this node; nothing when it is not ours or of another family."""
    own = cluster_addresses(service, family)
    if not own or not is_ours(service):
        return Compiled()
    draft = _Draft(service, family, place)
    for address in own:
        draft.map("cluster_ips", address)
    for port in service.spec.ports:
        backends = backends_of(slices, port, place, family)
        for endpoint in backends.local:
            draft.map("hairpins", f"{endpoint.address} . {endpoint.address}")
        _inside(draft, port, backends)
        _outside(draft, port, backends)
    rank = service.metadata.creation_timestamp or ""
    part = Part(draft.sets, draft.chains, draft.elements, rank)
    return Compiled(part, draft.udp, tuple(draft.unserved))


def cluster_addresses(service: Service, family: Family) -> list[str]:
    return family.addresses(service.spec.cluster_ips or [service.spec.cluster_ip])


def _inside(draft: _Draft, port: ServicePort, backends: Backends) -> None:
    """The cluster addresses."""
    family = draft.family
    endpoints = backends.under(draft.service.spec.internal_traffic_policy or "Cluster")
    chain, refusal = "", _refusal(backends)
    if not endpoints and backends.anywhere:
        draft.unserved.append("internal")
    if endpoints:
        outsiders = f"{family.word} saddr != @pods {MASQUERADE}"
        head = MASQUERADE if draft.place.masquerade_all else outsiders
        chain = draft.chain("service", port, [head, *_choice(draft, port, endpoints)])
    for address in cluster_addresses(draft.service, family):
        frontend = Frontend(address, (port.protocol or "TCP").lower(), port.port)
        draft.destination(frontend, chain, None if chain else refusal)
        draft.answering(frontend, endpoints)


def _refusal(backends: Backends) -> Verdict:
    """Nobody serves: say so. Somebody does, though not for this traffic: be silent."""
    return "drop" if backends.anywhere else "reject"


def _outside(draft: _Draft, port: ServicePort, backends: Backends) -> None:
    """Node port, external addresses, load balancer addresses."""
    spec, family = draft.service.spec, draft.family
    protocol = (port.protocol or "TCP").lower()
    ingress = [
        one.ip for one in draft.service.status.load_balancer.ingress if one.ip_mode != "Proxy"
    ]
    balancers = [Frontend(a, protocol, port.port) for a in family.addresses(ingress)]
    frontends = [Frontend(a, protocol, port.port) for a in family.addresses(spec.external_ips)]
    frontends += balancers
    if port.node_port:
        frontends.append(Frontend("", protocol, port.node_port))
    if not frontends:
        return
    local = spec.external_traffic_policy == "Local"
    endpoints = backends.under("Local" if local else "Cluster")
    refusal = None if endpoints else _refusal(backends)
    if not endpoints and backends.anywhere:
        draft.unserved.append("external")
    if local:
        rules = _keeping_addresses(draft, port, backends)
    else:
        rules = [MASQUERADE, *_choice(draft, port, endpoints)] if endpoints else []
    chain = draft.chain("external", port, rules) if rules else ""
    for frontend in frontends:
        draft.destination(frontend, chain, refusal)
        draft.answering(frontend, (*endpoints, *backends.everywhere) if local else endpoints)
    _firewall(draft, port, balancers)


def _keeping_addresses(draft: _Draft, port: ServicePort, backends: Backends) -> list[str]:
    """The Local policy: this node's endpoints see their clients' addresses.

    Clients inside the cluster are served as by the cluster address. Those whose answers would not
    come back through this node (the node itself, pods of other nodes) are masqueraded.
    """
    word = draft.family.word
    rules = []
    if backends.everywhere:
        inside = draft.chain("cluster", port, _choice(draft, port, backends.everywhere))
        rules = [
            f"{word} saddr @own_pods goto {inside}",
            f"{word} saddr @pods {MASQUERADE} goto {inside}",
            f"fib saddr type local {MASQUERADE} goto {inside}",
        ]
    if backends.local:
        rules += _choice(draft, port, backends.local)
    return rules


def _firewall(draft: _Draft, port: ServicePort, balancers: Sequence[Frontend]) -> None:
    """loadBalancerSourceRanges: strangers do not get as far as the load balancer's address."""
    family = draft.family
    ranges = family.ranges(draft.service.spec.load_balancer_source_ranges)
    if not ranges or not balancers:
        return
    own = family.addresses(draft.place.addresses)
    if any(family.ranges([*ranges, address]) == ranges for address in own):
        # The node itself may: its packets carry the balancer's address, which it takes for its own.
        ranges = family.ranges([*ranges, *(one.address for one in balancers)])
    rule = f"{family.word} saddr != {{ {', '.join(ranges)} }} drop"
    chain = draft.chain("firewall", port, [rule])
    for frontend in balancers:
        draft.map("firewall", frontend.key, f"goto {chain}")


def _choice(draft: _Draft, port: ServicePort, endpoints: tuple[Endpoint, ...]) -> list[str]:
    """The rules that send a packet to one of these endpoints."""
    protocol = (port.protocol or "TCP").lower()
    seconds = affinity_seconds(draft.service)
    if not seconds:
        return [translation(draft.family, protocol, endpoints)]
    meta = draft.service.metadata
    group = short_hash(f"{meta.namespace}/{meta.name}/{protocol}/{port.name or port.port}")
    word = draft.family.word
    places = []
    for one in endpoints:
        known = f"{group}-{short_hash(f'{one.address}:{one.port} {seconds}')}"
        places.append(known)
        draft.sets[f"clients-{known}"] = (
            f"{{ type {draft.family.type}; size {REMEMBERED_CLIENTS_MAX}; flags dynamic, timeout;"
            f" timeout {seconds}s; }}"
        )
        draft.chains[f"endpoint-{known}"] = (
            f"update @clients-{known} {{ {word} saddr }}",
            translation(draft.family, protocol, (one,)),
        )
    choices = ", ".join(f"{n} : goto endpoint-{known}" for n, known in enumerate(places))
    return [
        *(f"{word} saddr @clients-{known} goto endpoint-{known}" for known in places),
        f"numgen random mod {len(places)} vmap {{ {choices} }}",
    ]


def translation(family: Family, protocol: str, endpoints: tuple[Endpoint, ...]) -> str:
    assert endpoints, "a destination without endpoints is refused, not translated"
    if len(endpoints) == 1:
        return f"meta l4proto {protocol} dnat to {family.place(*endpoints[0])}"
    choices = ", ".join(f"{n} : {e.address} . {e.port}" for n, e in enumerate(endpoints))
    count = len(endpoints)
    return (
        f"meta l4proto {protocol} dnat {family.word} to numgen random mod {count}"
        f" map {{ {choices} }}"
    )


def affinity_seconds(service: Service) -> int:
    if service.spec.session_affinity != "ClientIP":
        return 0
    config = service.spec.session_affinity_config
    client_ip = config.client_ip if config else None
    return (client_ip.timeout_seconds if client_ip else None) or DEFAULT_AFFINITY_SECONDS


def short_hash(text: str) -> str:
    """Ten characters that tell names apart."""
    return hashlib.sha256(text.encode()).hexdigest()[:10]
