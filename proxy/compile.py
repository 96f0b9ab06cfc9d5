"""Services and EndpointSlices → the node's ruleset. Pure.

IPv4 only. Headless and ExternalName services have nothing to filter; those with the label
`service.kubernetes.io/service-proxy-name` belong to another proxy.

Source: pkg/proxy/{servicechangetracker,endpointslicecache,topology}.go of upstream: an endpoint is
used when ready, or, if none is, when it still serves while terminating.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from proxy.ruleset import Chain, Endpoint, Frontend, Masquerade, NodePort, Ruleset, Verdict
from wherry.api.core_v1.service import Service, ServicePort
from wherry.api.discovery_v1.endpointslice import Endpoint as SliceEndpoint
from wherry.api.discovery_v1.endpointslice import EndpointSlice

SERVICE_NAME_LABEL: Final = "kubernetes.io/service-name"
PROXY_NAME_LABEL: Final = "service.kubernetes.io/service-proxy-name"
DEFAULT_AFFINITY_SECONDS: Final = 10_800
NAME_MAX: Final = 120  # of a chain; the kernel takes 255, people fewer


@dataclass(slots=True)
class _Parts:
    """A ruleset while it is being put together."""

    services: dict[Frontend, str] = field(default_factory=dict)
    node_ports: dict[NodePort, str] = field(default_factory=dict)
    chains: dict[str, Chain] = field(default_factory=dict)
    refused: dict[Frontend, Verdict] = field(default_factory=dict)
    refused_ports: dict[NodePort, Verdict] = field(default_factory=dict)
    cluster_ips: set[str] = field(default_factory=set)
    hairpins: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Backends:
    """A service port's endpoints: all that may be used, and those on this node."""

    everywhere: tuple[Endpoint, ...]
    local: tuple[Endpoint, ...]

    def under(self, policy: str) -> tuple[Endpoint, ...]:
        return self.local if policy == "Local" else self.everywhere


def compile_ruleset(
    services: Iterable[Service],
    slices: Iterable[EndpointSlice],
    node: str,
    pod_ranges: Iterable[str],
) -> Ruleset:
    """The ruleset of the node of this name."""
    by_service: dict[tuple[str, str], list[EndpointSlice]] = {}
    for one in slices:
        name = one.metadata.labels.get(SERVICE_NAME_LABEL, "")
        if name and one.address_type == "IPv4":
            by_service.setdefault((one.metadata.namespace, name), []).append(one)
    parts = _Parts()
    for service in services:
        if not _is_ours(service):
            continue
        mine = by_service.get((service.metadata.namespace, service.metadata.name), [])
        parts.cluster_ips.update(_ipv4([service.spec.cluster_ip]))
        for port in service.spec.ports:
            backends = _backends(mine, port, node)
            parts.hairpins.update(endpoint.address for endpoint in backends.local)
            _inside(parts, service, port, backends)
            _outside(parts, service, port, backends)
    return Ruleset(
        parts.services,
        parts.node_ports,
        parts.chains,
        parts.refused,
        parts.refused_ports,
        frozenset(parts.cluster_ips),
        frozenset(parts.hairpins),
        frozenset(pod_ranges),
    )


def _is_ours(service: Service) -> bool:
    return (
        service.spec.cluster_ip not in ("", "None")
        and service.spec.type != "ExternalName"
        and PROXY_NAME_LABEL not in service.metadata.labels
    )


def _backends(slices: Sequence[EndpointSlice], port: ServicePort, node: str) -> _Backends:
    """The usable endpoints of a service port, without duplicates, sorted."""
    ready: dict[Endpoint, bool] = {}
    leaving: dict[Endpoint, bool] = {}
    protocol = port.protocol or "TCP"
    for one in slices:
        numbers = [
            p.port
            for p in one.ports
            if (p.name or "") == port.name and (p.protocol or "TCP") == protocol and p.port
        ]
        for endpoint in one.endpoints:
            chosen = ready if _is_ready(endpoint) else leaving if _still_serves(endpoint) else None
            if chosen is None or not endpoint.addresses:
                continue
            for number in numbers:
                # consumers use the first address only, as upstream documents
                chosen[Endpoint(endpoint.addresses[0], number)] = endpoint.node_name == node
    return _Backends(_choose(ready, leaving, local=False), _choose(ready, leaving, local=True))


def _choose(
    ready: Mapping[Endpoint, bool], leaving: Mapping[Endpoint, bool], *, local: bool
) -> tuple[Endpoint, ...]:
    for group in (ready, leaving):
        if found := sorted(endpoint for endpoint, here in group.items() if here or not local):
            return tuple(found)
    return ()


def _is_ready(endpoint: SliceEndpoint) -> bool:
    return endpoint.conditions.ready in (None, True)


def _still_serves(endpoint: SliceEndpoint) -> bool:
    conditions = endpoint.conditions
    return bool(conditions.serving) and bool(conditions.terminating)


def _inside(parts: _Parts, service: Service, port: ServicePort, backends: _Backends) -> None:
    """The cluster address."""
    policy = service.spec.internal_traffic_policy or "Cluster"
    endpoints = backends.under(policy)
    protocol = (port.protocol or "TCP").lower()
    for address in _ipv4([service.spec.cluster_ip]):
        frontend = Frontend(address, protocol, port.port)
        if endpoints:
            parts.services[frontend] = _chain(parts, service, port, endpoints, "outside", "service")
        else:
            parts.refused[frontend] = "drop" if backends.everywhere else "reject"


def _outside(parts: _Parts, service: Service, port: ServicePort, backends: _Backends) -> None:
    """Node port, external addresses, load balancer addresses."""
    ingress = [one.ip for one in service.status.load_balancer.ingress if one.ip_mode != "Proxy"]
    addresses = _ipv4([*service.spec.external_ips, *ingress])
    protocol = (port.protocol or "TCP").lower()
    frontends = [Frontend(address, protocol, port.port) for address in addresses]
    node_port = NodePort(protocol, port.node_port) if port.node_port else None
    if not frontends and node_port is None:
        return
    local = service.spec.external_traffic_policy == "Local"
    endpoints = backends.under("Local" if local else "Cluster")
    verdict: Verdict = "drop" if backends.everywhere else "reject"
    chain = ""
    if endpoints:
        inside = ""
        if local:
            inside = _chain(parts, service, port, backends.everywhere, "always", "cluster")
        masquerade: Masquerade = "never" if local else "always"
        chain = _chain(parts, service, port, endpoints, masquerade, "external", inside)
    for frontend in frontends:
        if chain:
            parts.services[frontend] = chain
        else:
            parts.refused[frontend] = verdict
    if node_port is not None and chain:
        parts.node_ports[node_port] = chain
    elif node_port is not None:
        parts.refused_ports[node_port] = verdict


def _chain(
    parts: _Parts,
    service: Service,
    port: ServicePort,
    endpoints: tuple[Endpoint, ...],
    masquerade: Masquerade,
    role: Literal["service", "cluster", "external"],
    inside: str = "",
) -> str:
    """Put in a chain and answer with its name."""
    protocol = (port.protocol or "TCP").lower()
    identity = (
        f"{service.metadata.namespace}/{service.metadata.name}/{protocol}/{port.name or port.port}"
    )
    digest = short_hash(identity)
    name = f"{role}-{digest}-{identity}"[:NAME_MAX].rstrip("-/.")
    seconds = _affinity_seconds(service)
    parts.chains[name] = Chain(
        protocol, endpoints, masquerade, seconds, digest if seconds else "", inside
    )
    return name


def _affinity_seconds(service: Service) -> int:
    if service.spec.session_affinity != "ClientIP":
        return 0
    config = service.spec.session_affinity_config
    client_ip = config.client_ip if config else None
    return (client_ip.timeout_seconds if client_ip else None) or DEFAULT_AFFINITY_SECONDS


def short_hash(text: str) -> str:
    """Ten characters that tell names apart when their readable part was cut."""
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _ipv4(addresses: Iterable[str]) -> list[str]:
    """The IPv4 addresses among these texts, canonical; all else is dropped."""
    found = []
    for text in addresses:
        try:
            found.append(str(ipaddress.IPv4Address(text)))
        except ValueError:
            continue
    return found
