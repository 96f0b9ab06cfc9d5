"""For which zones and nodes each endpoint is meant. Pure.

`spec.trafficDistribution` makes each ready endpoint meant for its own zone (PreferClose,
PreferSameZone) or its own zone and node (PreferSameNode). The annotation
`service.kubernetes.io/topology-mode: Auto` shares the endpoints out so that every zone has as many as
its nodes' part of all CPUs asks for; where that cannot be done without overloading some endpoint, or
zones or CPUs are unknown, nobody gets hints.

Other than upstream's, the shares are worked out anew from the endpoints as they are, not kept as long
as they are tolerable: equal endpoints give equal hints.

Source: staging/src/k8s.io/endpointslice/{trafficdist,topologycache} of upstream.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from wherry.api import quantity
from wherry.api.core_v1 import Node, Service
from wherry.api.discovery_v1 import Endpoint, EndpointHints, ForNode, ForZone

MODE_ANNOTATIONS = (
    "service.kubernetes.io/topology-mode",
    "service.kubernetes.io/topology-aware-hints",
)
ZONE_LABEL = "topology.kubernetes.io/zone"
CONTROL_PLANE_LABELS = (
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/master",
)
OVERLOAD_MAX = 0.2  # how much more than its share an endpoint may be asked for
NEAR = frozenset({"PreferClose", "PreferSameZone", "PreferSameNode"})

TOO_FEW_NODES = (
    "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"
)
TOO_FEW_ENDPOINTS = "Insufficient number of endpoints"
WOULD_OVERLOAD = "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold"
NO_ZONE = "One or more endpoints do not have a zone specified"
ENABLED = "Topology Aware Hints has been enabled"


def is_auto(service: Service) -> bool:
    """Whether the Service asks for shares by the zones' CPUs."""
    values = (service.metadata.annotations.get(name) for name in MODE_ANNOTATIONS)
    return next((one for one in values if one is not None), "") in ("Auto", "auto")


def near(service: Service, endpoint: Endpoint) -> Endpoint:
    """The endpoint with the hints that `trafficDistribution` asks for."""
    distribution = service.spec.traffic_distribution
    if distribution not in NEAR or not endpoint.conditions.ready:
        return endpoint
    zones = [ForZone(name=endpoint.zone)] if endpoint.zone else []
    nodes = []
    if distribution == "PreferSameNode" and endpoint.node_name:
        nodes = [ForNode(name=endpoint.node_name)]
    if not zones and not nodes:
        return endpoint
    return endpoint.with_(hints=EndpointHints(for_zones=zones, for_nodes=nodes))


def cpu_shares(nodes: Iterable[Node]) -> dict[str, float]:
    """Zone → its part of all ready nodes' CPUs; empty when a node's zone or CPUs are unknown."""
    cpus: Counter[str] = Counter()
    for node in nodes:
        if any(label in node.metadata.labels for label in CONTROL_PLANE_LABELS) or not _ready(node):
            continue
        zone = node.metadata.labels.get(ZONE_LABEL, "")
        cpu = quantity.milli(node.status.allocatable.get("cpu", "0"))
        if not zone or not cpu:
            return {}
        cpus[zone] += cpu
    total = sum(cpus.values())
    return {zone: cpu / total for zone, cpu in cpus.items()} if len(cpus) > 1 else {}


def _ready(node: Node) -> bool:
    return any(one.type == "Ready" and one.status == "True" for one in node.status.conditions)


def shared_out(
    endpoints: Sequence[Endpoint], shares: Mapping[str, float]
) -> tuple[list[Endpoint], str]:
    """The endpoints with hints by the zones' shares; or as they are, and why."""
    ready = [one for one in endpoints if one.conditions.ready]
    if not shares:
        return list(endpoints), TOO_FEW_NODES
    count, zones = len(ready), len(shares)
    told = f"({count} endpoints, {zones} zones)"
    if zones > count:
        return list(endpoints), f"{TOO_FEW_ENDPOINTS} {told}"
    least = {zone: math.ceil(count * share / (1 + OVERLOAD_MAX)) for zone, share in shares.items()}
    if sum(least.values()) > count:
        return list(endpoints), f"{WOULD_OVERLOAD} {told}"
    if any(not one.zone for one in ready):
        return list(endpoints), NO_ZONE
    desired = {zone: max(count * share, least[zone]) for zone, share in shares.items()}
    present = Counter(one.zone or "" for one in ready)
    moves = _moves(desired, least, present)
    found = []
    for one in endpoints:
        if one.conditions.ready:
            zone = one.zone or ""
            waiting = moves.get(zone)
            meant = waiting.pop(0) if waiting else zone
            one = one.with_(hints=EndpointHints(for_zones=[ForZone(name=meant)]))
        found.append(one)
    return found, ""


def _moves(
    desired: Mapping[str, float], least: Mapping[str, int], present: Mapping[str, int]
) -> dict[str, list[str]]:
    """Zone that has too many → the zones its endpoints are meant for instead, one each.

    First whoever lacks the least it needs, then as near to what is desired as whole endpoints come.
    """
    now = Counter(present)
    moves: dict[str, list[str]] = {}
    taken: set[str] = set()
    while True:
        short = [zone for zone in sorted(desired) if now[zone] < least[zone]]
        lack = {zone: desired[zone] - now[zone] for zone in short or sorted(desired)}
        surplus = {
            zone: now[zone] - desired.get(zone, 0.0)
            for zone in sorted(now)
            if zone not in taken and now[zone] > least.get(zone, 0)
        }
        if not surplus:
            return moves
        giver, taker = max(surplus, key=surplus.__getitem__), max(lack, key=lack.__getitem__)
        some, more = sorted((surplus[giver], lack[taker]))
        if not short and (some < 0.5 or more < 1.0):
            return moves
        moves.setdefault(giver, []).append(taker)
        taken.add(taker)
        now[giver] -= 1
        now[taker] += 1
