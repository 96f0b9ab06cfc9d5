"""Which endpoints of a Service port a node uses. Pure.

Source: pkg/proxy/topology.go of upstream. An endpoint is used when ready, or, if none is, when it
still serves while terminating. Hints narrow the choice where every ready endpoint has one and one of
them is meant for this node, or for its zone; they never leave a node without endpoints.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from proxy.family import FAMILIES, Family
from proxy.models import Endpoint as SliceEndpoint
from proxy.models import EndpointSlice, ServicePort


@dataclass(frozen=True, slots=True)
class Place:
    """The node: name, zone ("" unknown) and addresses. masquerade_all: also what stays inside."""

    node: str
    zone: str = ""
    addresses: tuple[str, ...] = ()
    masquerade_all: bool = False


class Endpoint(NamedTuple):
    address: str
    port: int


class _Candidate(NamedTuple):
    endpoint: Endpoint
    source: SliceEndpoint


@dataclass(frozen=True, slots=True)
class Backends:
    """A service port's endpoints: those for anybody's traffic, and those on this node.

    anywhere: whether there is a usable one on any node
    """

    everywhere: tuple[Endpoint, ...]
    local: tuple[Endpoint, ...]
    anywhere: bool

    def under(self, policy: str) -> tuple[Endpoint, ...]:
        return self.local if policy == "Local" else self.everywhere


def backends_of(
    slices: Sequence[EndpointSlice], port: ServicePort, place: Place, family: Family
) -> Backends:
    """The usable endpoints of a service port, without duplicates, sorted."""
    candidates = list(_candidates(slices, port, family))
    ready = [one for one in candidates if is_ready(one.source)]
    leaving = [one for one in candidates if still_serves(one.source)]
    local = _here(ready, place) or _here(leaving, place)
    everywhere = _near(ready, place) or leaving
    return Backends(_endpoints(everywhere), _endpoints(local), bool(ready or leaving))


def _candidates(
    slices: Sequence[EndpointSlice], port: ServicePort, family: Family
) -> Iterable[_Candidate]:
    protocol = port.protocol or "TCP"
    for one in slices:
        if one.address_type != family.slices:
            continue
        numbers = [
            p.port
            for p in one.ports
            if (p.name or "") == port.name and (p.protocol or "TCP") == protocol and p.port
        ]
        for source in one.endpoints if numbers else ():
            # Consumers use the first address only, as upstream documents.
            for address in family.addresses(source.addresses[:1]):
                for number in numbers:
                    yield _Candidate(Endpoint(address, number), source)


def _near(ready: list[_Candidate], place: Place) -> list[_Candidate]:
    """Those meant for this node, else for its zone, else all."""
    for mine in (for_this_node, for_this_zone):
        if all(mine(one.source, place) is not None for one in ready):
            chosen = [one for one in ready if mine(one.source, place)]
            if chosen:
                return chosen
    return ready


def for_this_node(endpoint: SliceEndpoint, place: Place) -> bool | None:
    """Whether its hints name this node; None when they name no node."""
    hints = endpoint.hints.for_nodes if endpoint.hints else []
    return any(hint.name == place.node for hint in hints) if hints else None


def for_this_zone(endpoint: SliceEndpoint, place: Place) -> bool | None:
    hints = endpoint.hints.for_zones if endpoint.hints else []
    return any(hint.name == place.zone for hint in hints) if hints else None


def _here(candidates: list[_Candidate], place: Place) -> list[_Candidate]:
    return [one for one in candidates if one.source.node_name == place.node]


def _endpoints(candidates: Iterable[_Candidate]) -> tuple[Endpoint, ...]:
    return tuple(sorted({one.endpoint for one in candidates}))


def is_ready(endpoint: SliceEndpoint) -> bool:
    return endpoint.conditions.ready in (None, True)


def still_serves(endpoint: SliceEndpoint) -> bool:
    conditions = endpoint.conditions
    return not is_ready(endpoint) and bool(conditions.serving) and bool(conditions.terminating)


def ready_here(slices: Iterable[EndpointSlice], place: Place) -> int:
    """How many ready endpoints of a Service this node has: what load balancers ask for.

    A pod with an address of each family is one.
    """
    found: dict[str, set[str]] = {}
    for one in slices:
        for endpoint in one.endpoints:
            if endpoint.addresses and endpoint.node_name == place.node and is_ready(endpoint):
                found.setdefault(one.address_type, set()).add(endpoint.addresses[0])
    return max(map(len, found.values()), default=0)


def oddities(slices: Iterable[EndpointSlice]) -> list[str]:
    """What in these slices cannot be used, for people; names (FQDN) are nobody's mistake."""
    found = []
    for one in slices:
        bad = [
            address
            for family in ("IPv4", "IPv6")
            if one.address_type == family
            for endpoint in one.endpoints
            for address in endpoint.addresses[:1]
            if not _fits(address, family)
        ]
        if bad:
            name = one.metadata.name
            found.append(f"EndpointSlice {name}: no {one.address_type} address: {bad[0]!r}")
    return found


def _fits(address: str, slices: str) -> bool:
    return any(f.addresses([address]) for f in FAMILIES if f.slices == slices)
