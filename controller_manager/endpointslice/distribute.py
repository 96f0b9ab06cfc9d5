"""Spreads endpoints over slices so that few slices change. Pure.

Endpoints stay in the slice they are in; new ones fill slices that change anyway, then the fullest
slice that holds them all, then new slices.

Source: upstream's endpointslice reconciler (reconcileByPortMapping).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from wherry.api.discovery_v1 import Endpoint, EndpointSlice

ENDPOINTS_MAX = 100  # of one slice; upstream's --max-endpoints-per-slice default


@dataclass(frozen=True, slots=True)
class Distribution:
    """kept: slices as they are. changed: slices with new endpoints. emptied: to delete.
    new: the contents of slices to make."""

    kept: tuple[EndpointSlice, ...]
    changed: tuple[EndpointSlice, ...]
    emptied: tuple[EndpointSlice, ...]
    new: tuple[tuple[Endpoint, ...], ...]


def identity(endpoint: Endpoint) -> Hashable:
    """What makes two endpoints the same one at two times."""
    target = endpoint.target_ref
    who = (target.namespace, target.name, target.uid) if target else None
    return (tuple(sorted(endpoint.addresses)), endpoint.hostname, endpoint.node_name, who)


def distribute(
    wanted: Sequence[Endpoint], existing: Sequence[EndpointSlice], limit: int = ENDPOINTS_MAX
) -> Distribution:
    """Place `wanted` in the existing slices of the same ports, and in new ones."""
    left = {identity(endpoint): endpoint for endpoint in wanted}
    contents: dict[str, list[Endpoint]] = {}
    for piece in existing:
        stay = [left.pop(identity(e), None) for e in piece.endpoints]
        contents[piece.metadata.name] = [e for e in stay if e is not None][:limit]
    waiting = list(left.values())
    moving = [s for s in existing if contents[s.metadata.name] != s.endpoints]
    for piece in moving:
        held = contents[piece.metadata.name]
        room = limit - len(held)
        held.extend(waiting[:room])
        waiting = waiting[room:]
    resting = [s for s in existing if s not in moving]
    target = _fullest_with_room(resting, len(waiting), limit)
    if waiting and target is not None:
        contents[target.metadata.name].extend(waiting)
        waiting = []
    changed, kept, emptied = [], [], []
    for piece in existing:
        held = contents[piece.metadata.name]
        if held == piece.endpoints and held:
            kept.append(piece)
        elif held:
            changed.append(piece.with_(endpoints=held))
        else:
            emptied.append(piece)
    fresh = tuple(tuple(waiting[i : i + limit]) for i in range(0, len(waiting), limit))
    return Distribution(tuple(kept), tuple(changed), tuple(emptied), fresh)


def _fullest_with_room(
    slices: Sequence[EndpointSlice], count: int, limit: int
) -> EndpointSlice | None:
    """The fullest slice that can take all `count`; empty slices only count as reusable elsewhere."""
    fitting = [s for s in slices if s.endpoints and len(s.endpoints) + count <= limit]
    return max(fitting, key=lambda s: len(s.endpoints), default=None)
