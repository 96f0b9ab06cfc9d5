"""What upstream's documentation says becomes of a connection, as plainly as it can be said.

It knows the objects and nothing of chains, maps or sets: the rendered table is held against it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from proxy.endpoints import Place
from proxy.models import EndpointSlice, Pod, Service, ServicePort
from tests.unit.proxy.make import belongs
from tests.unit.proxy.tracer import Fate, Packet
from wherry.api.networking_v1.networkpolicy import NetworkPolicy, NetworkPolicyPeer
from wherry.api.selectors import label_selector

OWN_PODS = ("10.244.0.0/24",)
REJECT, DROP = frozenset({Fate("reject")}), frozenset({Fate("drop")})


def within(address: str, ranges: Iterable[str]) -> bool:
    value = ipaddress.ip_address(address)
    return any(value in ipaddress.ip_network(one.strip()) for one in ranges)


@dataclass(frozen=True)
class Site:
    """A node and the ranges around it."""

    place: Place
    addresses: frozenset[str]
    pods: tuple[str, ...]
    own_pods: tuple[str, ...]


# -- Services


def service_fates(
    services: Sequence[Service], slices: Sequence[EndpointSlice], site: Site, packet: Packet
) -> frozenset[Fate]:
    """Every possible fate of a new connection. No two services may share an address and port."""
    mine = packet.destination in site.addresses
    for service in services:
        for port in service.spec.ports:
            if (port.protocol or "TCP").lower() != packet.protocol:
                continue
            told = service.status.load_balancer.ingress
            ingress = [one.ip for one in told if one.ip_mode != "Proxy"]
            if packet.port == port.port and packet.destination == service.spec.cluster_ip:
                return _cluster(service, port, slices, site, packet)
            if packet.port == port.port and packet.destination in ingress:
                ranges = service.spec.load_balancer_source_ranges
                if ranges and not within(packet.source, ranges):
                    return DROP
                return _external(service, port, slices, site, packet)
            if packet.port == port.port and packet.destination in service.spec.external_ips:
                return _external(service, port, slices, site, packet)
            if mine and packet.port == port.node_port:
                return _external(service, port, slices, site, packet)
    if any(packet.destination == one.spec.cluster_ip for one in services):
        return REJECT
    return frozenset({Fate("pass", packet.destination, packet.port)})


def usable(
    service: Service, port: ServicePort, slices: Sequence[EndpointSlice], site: Site, *, local: bool
) -> tuple[set[tuple[str, int]], bool]:
    """The endpoints, and whether there is a usable one anywhere."""
    found = [
        (endpoint, number.port)
        for one in slices
        if belongs(one, service) and one.address_type == "IPv4"
        for endpoint in one.endpoints
        for number in one.ports
        if number.name == port.name and number.protocol == port.protocol and number.port
    ]
    ready = [(e, n) for e, n in found if e.conditions.ready is not False]
    leaving = [
        (e, n)
        for e, n in found
        if e.conditions.ready is False and e.conditions.serving and e.conditions.terminating
    ]
    chosen = ready or leaving
    if local:
        here = [(e, n) for e, n in ready if e.node_name == site.place.node]
        chosen = here or [(e, n) for e, n in leaving if e.node_name == site.place.node]
    elif ready:
        for kind, name in (("for_nodes", site.place.node), ("for_zones", site.place.zone)):
            named = [[h.name for h in getattr(e.hints, kind)] if e.hints else [] for e, _ in ready]
            near = [one for one, names in zip(ready, named, strict=True) if name in names]
            if all(named) and near:
                chosen = near
                break
    return {(e.addresses[0], n) for e, n in chosen}, bool(ready or leaving)


def _arrive(endpoints, site: Site, packet: Packet, *, masqueraded: bool) -> frozenset[Fate]:
    """A pod that meets itself must not see its own address: a matter of its own node."""
    here = within(packet.source, site.own_pods)
    return frozenset(
        Fate("pass", address, number, masqueraded or (here and address == packet.source))
        for address, number in endpoints
    )


def _cluster(service, port, slices, site: Site, packet: Packet) -> frozenset[Fate]:
    local = service.spec.internal_traffic_policy == "Local"
    endpoints, anywhere = usable(service, port, slices, site, local=local)
    if not endpoints:
        return DROP if anywhere else REJECT
    outsider = not within(packet.source, site.pods)
    return _arrive(endpoints, site, packet, masqueraded=outsider or site.place.masquerade_all)


def _external(service, port, slices, site: Site, packet: Packet) -> frozenset[Fate]:
    everywhere, anywhere = usable(service, port, slices, site, local=False)
    if not anywhere:
        return REJECT
    if service.spec.external_traffic_policy != "Local":
        return _arrive(everywhere, site, packet, masqueraded=True)
    if within(packet.source, site.own_pods):
        return _arrive(everywhere, site, packet, masqueraded=False)
    if packet.source in site.addresses or within(packet.source, site.pods):
        return _arrive(everywhere, site, packet, masqueraded=True)
    here, _ = usable(service, port, slices, site, local=True)
    return _arrive(here, site, packet, masqueraded=False) if here else DROP


# -- NetworkPolicies


def allowed(
    policies: Sequence[NetworkPolicy],
    pods: Sequence[Pod],
    namespaces: dict[str, dict[str, str]],
    node: str,
    packet: Packet,
) -> bool:
    """Whether this node's policies let a forwarded packet pass.

    Of addresses of this node that nobody knows, it may be that of an isolated pod which starts.
    """
    for address, kind in ((packet.source, "Egress"), (packet.destination, "Ingress")):
        unknown = within(address, OWN_PODS) and _who(pods, address) is None
        if unknown and _awaited(policies, pods, node, kind):
            return False
    source, target = _who(pods, packet.source), _who(pods, packet.destination)
    if packet.source == packet.destination:
        return True
    if source is not None and source.spec.node_name == node:
        mine = [p for p in policies if "Egress" in p.spec.policy_types and _selects(p, source)]
        rules = [(p, rule.to, rule.ports) for p in mine for rule in p.spec.egress]
        peer = (packet.destination, target)
        if mine and not any(_meets(*rule, *peer, target, namespaces, packet) for rule in rules):
            return False
    if target is not None and target.spec.node_name == node:
        mine = [p for p in policies if "Ingress" in p.spec.policy_types and _selects(p, target)]
        rules = [(p, rule.from_, rule.ports) for p in mine for rule in p.spec.ingress]
        peer = (packet.source, source)
        if mine and not any(_meets(*rule, *peer, target, namespaces, packet) for rule in rules):
            return False
    return True


def _awaited(policies, pods: Sequence[Pod], node: str, kind: str) -> bool:
    """Whether a pod without an address will be isolated in this direction."""
    for pod in pods:
        if pod.spec.node_name != node or pod.status.pod_ips or pod.spec.host_network:
            continue
        mine = [p for p in policies if kind in p.spec.policy_types and _selects(p, pod)]
        rules = [(r.to, r.ports) for p in mine for r in p.spec.egress]
        if kind == "Ingress":
            rules = [(r.from_, r.ports) for p in mine for r in p.spec.ingress]
        if mine and not any(not peers and not ports for peers, ports in rules):
            return True
    return False


def _who(pods: Sequence[Pod], address: str) -> Pod | None:
    for pod in pods:
        if not pod.spec.host_network and any(one.ip == address for one in pod.status.pod_ips):
            return pod
    return None


def _selects(policy: NetworkPolicy, pod: Pod) -> bool:
    same = policy.metadata.namespace == pod.metadata.namespace
    return same and label_selector(policy.spec.pod_selector).matches(pod.metadata.labels)


def _meets(policy, peers, ports, address, peer, target, namespaces, packet: Packet) -> bool:
    if ports and not any(_port(one, target, packet) for one in ports):
        return False
    return not peers or any(_peer(policy, one, address, peer, namespaces) for one in peers)


def _port(port, target: Pod | None, packet: Packet) -> bool:
    if (port.protocol or "TCP").lower() != packet.protocol:
        return False
    if port.port is None:
        return True
    if isinstance(port.port, int):
        return port.port <= packet.port <= (port.end_port or port.port)
    held = [p for c in target.spec.containers for p in c.ports] if target else []
    return any(p.name == port.port and p.container_port == packet.port for p in held)


def _peer(policy, one: NetworkPolicyPeer, address: str, peer: Pod | None, namespaces) -> bool:
    if one.ip_block is not None:
        return within(address, [one.ip_block.cidr]) and not within(address, one.ip_block.except_)
    if peer is None:
        return False
    if one.namespace_selector is None:
        here = peer.metadata.namespace == policy.metadata.namespace
    else:
        labels = namespaces.get(peer.metadata.namespace, {})
        here = label_selector(one.namespace_selector).matches(labels)
    return here and label_selector(one.pod_selector or {}).matches(peer.metadata.labels)
