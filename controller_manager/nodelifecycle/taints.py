"""Which taints a node's conditions ask for. Pure.

NoSchedule taints follow the conditions at once. NoExecute taints make pods leave, so they are put on
at a limited rate, but taken off at once.

Source of the rules: upstream's pkg/controller/nodelifecycle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from controller_manager.nodelifecycle.health import ready_status
from wherry.api.core_v1 import Node
from wherry.api.core_v1.node import Taint

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
NO_SCHEDULE, NO_EXECUTE = "NoSchedule", "NoExecute"

# Condition type → status → key of the taint.
BY_CONDITION: Mapping[str, Mapping[str, str]] = {
    "Ready": {"False": NOT_READY, "Unknown": UNREACHABLE},
    "MemoryPressure": {"True": "node.kubernetes.io/memory-pressure"},
    "DiskPressure": {"True": "node.kubernetes.io/disk-pressure"},
    "PIDPressure": {"True": "node.kubernetes.io/pid-pressure"},
    "NetworkUnavailable": {"True": "node.kubernetes.io/network-unavailable"},
}
OWN_NO_SCHEDULE = frozenset(
    {UNSCHEDULABLE, *(key for keys in BY_CONDITION.values() for key in keys.values())}
)
OWN_NO_EXECUTE = frozenset({NOT_READY, UNREACHABLE})


def no_schedule_keys(node: Node) -> set[str]:
    keys = {
        key
        for condition in node.status.conditions
        if (key := BY_CONDITION.get(condition.type, {}).get(condition.status))
    }
    return keys | {UNSCHEDULABLE} if node.spec.unschedulable else keys


def no_execute_key(node: Node) -> str:
    """The taint its readiness asks for; empty when it is ready."""
    status = ready_status(node)
    return {"True": "", "False": NOT_READY}.get(status, UNREACHABLE)


def with_no_schedule(node: Node, now: datetime) -> list[Taint]:
    """The node's taints with our NoSchedule ones right, the others as they are."""
    wanted = no_schedule_keys(node)
    return _replaced(node.spec.taints, NO_SCHEDULE, OWN_NO_SCHEDULE, wanted, now)


def with_no_execute(taints: Sequence[Taint], key: str, now: datetime) -> list[Taint]:
    """The taints with our NoExecute one being `key` (empty: none)."""
    return _replaced(taints, NO_EXECUTE, OWN_NO_EXECUTE, {key} - {""}, now)


def _replaced(
    taints: Sequence[Taint], effect: str, ours: frozenset[str], wanted: set[str], now: datetime
) -> list[Taint]:
    kept = [t for t in taints if t.effect != effect or t.key not in ours or t.key in wanted]
    present = {t.key for t in kept if t.effect == effect}
    added = [Taint(key=key, effect=effect, time_added=now) for key in sorted(wanted - present)]
    return [*kept, *added]


def held_no_execute(node: Node) -> set[str]:
    """Which of our NoExecute taints the node has."""
    return {t.key for t in node.spec.taints if t.effect == NO_EXECUTE and t.key in OWN_NO_EXECUTE}
