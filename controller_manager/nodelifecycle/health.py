"""When did we last hear of a node, and is that too long ago? Pure.

Only *our* clock counts: a heartbeat is the moment we see that the node's status or Lease changed,
never a time the node wrote. A node that was never heard of gets a longer first grace.

Source of the rules and words: upstream's pkg/controller/nodelifecycle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from wherry.api.coordination_v1 import Lease
from wherry.api.core_v1 import Node
from wherry.api.core_v1.node import NodeCondition

READY = "Ready"
WATCHED = (READY, "MemoryPressure", "DiskPressure", "PIDPressure")


@dataclass(frozen=True, slots=True)
class Health:
    """heard_at: when a sign of life was last seen, by our clock. The rest: what it looked like."""

    heard_at: datetime
    status_sign: datetime | None = None
    lease_sign: datetime | None = None


@dataclass(frozen=True, slots=True)
class Grace:
    """Seconds of silence after which a node is unknown; `startup` before its first status."""

    running: float
    startup: float


def ready_condition(node: Node) -> NodeCondition | None:
    return next((c for c in node.status.conditions if c.type == READY), None)


def ready_status(node: Node) -> str:
    """True, False or Unknown; a node without the condition is unknown."""
    found = ready_condition(node)
    return found.status if found else "Unknown"


def heard(health: Health | None, node: Node, lease: Lease | None, now: datetime) -> Health:
    """What is known after looking at the node and its lease."""
    ready = ready_condition(node)
    status_sign = ready.last_heartbeat_time if ready else None
    lease_sign = lease.spec.renew_time if lease else None
    if health is None:
        created = node.metadata.creation_timestamp or now
        return Health(now if ready or lease_sign else created, status_sign, lease_sign)
    newer_status = status_sign is not None and status_sign != health.status_sign
    newer_lease = lease_sign is not None and (
        health.lease_sign is None or lease_sign > health.lease_sign
    )
    return Health(
        heard_at=now if newer_status or newer_lease else health.heard_at,
        status_sign=status_sign if newer_status else health.status_sign,
        lease_sign=lease_sign if newer_lease else health.lease_sign,
    )


def is_silent(node: Node, health: Health, grace: Grace, now: datetime) -> bool:
    seconds = grace.running if ready_condition(node) else grace.startup
    return now > health.heard_at + timedelta(seconds=seconds)


def forgive(health: Health, now: datetime) -> Health:
    """A full grace from now on: the silence may have been ours."""
    return Health(now, health.status_sign, health.lease_sign)


def unknown_conditions(node: Node, now: datetime) -> Sequence[NodeCondition]:
    """The conditions to write on a silent node; empty when they are written already."""
    changed = []
    by_type = {c.type: c for c in node.status.conditions}
    for type_ in WATCHED:
        current = by_type.get(type_)
        if current is None:
            changed.append(
                NodeCondition(
                    type=type_,
                    status="Unknown",
                    reason="NodeStatusNeverUpdated",
                    message="Kubelet never posted node status.",
                    last_heartbeat_time=node.metadata.creation_timestamp,
                    last_transition_time=now,
                )
            )
        elif current.status != "Unknown":
            changed.append(
                current.with_(
                    status="Unknown",
                    reason="NodeStatusUnknown",
                    message="Kubelet stopped posting node status.",
                    last_transition_time=now,
                )
            )
    return changed
