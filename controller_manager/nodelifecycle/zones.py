"""How bad is it? When many nodes are silent at once, the fault is likely ours or the network's. Pure.

A zone is partly disrupted when more than one of its nodes, and at least the threshold's share, are
not ready: then eviction slows down, or stops in a small zone. When *every* zone is fully disrupted
nobody is evicted at all.

Source of the rules: upstream's pkg/controller/nodelifecycle (handleDisruption, ComputeZoneState), but
for one number: upstream asks for more than two silent nodes. Here clusters are small, and two silent
ones of three are most of them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from controller_manager.nodelifecycle.health import ready_status
from wherry.api.core_v1 import Node

REGION_LABEL = "topology.kubernetes.io/region"
ZONE_LABEL = "topology.kubernetes.io/zone"
SILENT_MIN = 2  # fewer silent nodes never make a zone partly disrupted


class Disruption(Enum):
    """The state of a zone."""

    NONE = "normal"
    PARTIAL = "partial disruption"
    FULL = "full disruption"


@dataclass(frozen=True, slots=True)
class Rates:
    """Evicted nodes a second, and when which rate holds."""

    normal: float
    secondary: float
    large_cluster: int
    unhealthy_share: float


def zone_of(node: Node) -> str:
    labels = node.metadata.labels
    return f"{labels.get(REGION_LABEL, '')}:{labels.get(ZONE_LABEL, '')}"


def by_zone(nodes: Iterable[Node]) -> dict[str, list[Node]]:
    zones: dict[str, list[Node]] = {}
    for node in nodes:
        zones.setdefault(zone_of(node), []).append(node)
    return zones


def disruption(
    nodes: Iterable[Node], unhealthy_share: float, late: Container[str] = ()
) -> Disruption:
    """The state of one zone; late: nodes that count as not ready, as they may fall silent soon.

    When many are lost at once they do not fall silent at once, for each was heard of last at
    another moment. The first one's pods must not pay for that.
    """
    ready = [ready_status(node) == "True" and node.metadata.name not in late for node in nodes]
    silent = ready.count(False)
    if silent and silent == len(ready):
        return Disruption.FULL
    if silent >= SILENT_MIN and silent / len(ready) >= unhealthy_share:
        return Disruption.PARTIAL
    return Disruption.NONE


def judge(
    zones: Mapping[str, Iterable[Node]], unhealthy_share: float, late: Container[str] = ()
) -> dict[str, Disruption]:
    """`disruption` of each zone."""
    return {zone: disruption(nodes, unhealthy_share, late) for zone, nodes in zones.items()}


def is_full_everywhere(states: Mapping[str, Disruption]) -> bool:
    return bool(states) and all(state is Disruption.FULL for state in states.values())


def rate(state: Disruption, size: int, rates: Rates) -> float:
    """Evictions a second in a zone of `size` nodes, as long as not all zones are disrupted."""
    if state is Disruption.PARTIAL:
        return rates.secondary if size > rates.large_cluster else 0.0
    return rates.normal
