"""When did we last hear of a node, and is that too long ago? Pure.

Only *our* monotonic clock counts: a heartbeat is the moment we see that the node's status or Lease
changed, never a time the node wrote. A node that was never heard of gets a longer first grace. Time in
which the API server itself did not answer is nobody's silence.

Source of the rules and words: upstream's pkg/controller/nodelifecycle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from wherry.api.coordination_v1 import Lease
from wherry.api.core_v1 import Node
from wherry.api.core_v1.node import NodeCondition

READY = "Ready"
LATE_SHARE = 0.5  # of the grace
WATCHED = (READY, "MemoryPressure", "DiskPressure", "PIDPressure")


@dataclass(frozen=True, slots=True)
class Health:
    """heard_at: when a sign of life was last seen; lease_at: when a renewed Lease was (both by our
    monotonic clock, in seconds). The rest: what they looked like, at which revision."""

    heard_at: float
    lease_at: float
    status_sign: datetime | None = None
    status_revision: int = 0
    lease_sign: datetime | None = None
    lease_revision: int = 0


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


def heard(health: Health | None, node: Node | None, lease: Lease | None, now: float) -> Health:
    """What is known after a look at the node and its Lease; None = not there, or not looked at.

    A state older than what was seen already (a cache may lag behind a direct read) tells nothing.
    """
    known = health or Health(now, now)
    if node is not None and (revision := _revision(node)) >= known.status_revision:
        ready = ready_condition(node)
        sign = ready.last_heartbeat_time if ready else None
        if sign is not None and sign != known.status_sign:
            known = replace(known, heard_at=now, status_sign=sign)
        known = replace(known, status_revision=revision)
    if lease is not None and (revision := _revision(lease)) >= known.lease_revision:
        sign = lease.spec.renew_time
        if sign is not None and sign != known.lease_sign:
            known = replace(known, heard_at=now, lease_at=now, lease_sign=sign)
        known = replace(known, lease_revision=revision)
    return known


def _revision(obj: Node | Lease) -> int:
    text = obj.metadata.resource_version
    return int(text) if text.isdecimal() else 0


def silent_from(node: Node, health: Health, grace: Grace) -> float:
    """The moment from which a node counts as silent, unless it is heard of before."""
    return health.heard_at + (grace.running if ready_condition(node) else grace.startup)


def is_silent(node: Node, health: Health, grace: Grace, now: float) -> bool:
    return now > silent_from(node, health, grace)


def is_late(health: Health, grace: Grace, now: float) -> bool:
    """Not heard of for longer than a healthy node's heartbeats take to come: twice in its grace and
    more, as flags have it, they should have."""
    return now > health.heard_at + grace.running * LATE_SHARE


def excuse(health: Health, seconds: float, now: float) -> Health:
    """For so long nobody could be heard, as the server did not answer."""
    return replace(health, heard_at=min(now, health.heard_at + max(0.0, seconds)))


def forgive(health: Health, now: float) -> Health:
    """A full grace from now on: the silence may have been ours."""
    return replace(health, heard_at=now)


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
