"""What to write about one node: conditions when it fell silent, its pods' readiness, its taints. Pure.

Source of the rules and words: upstream's pkg/controller/nodelifecycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from controller_manager import pods
from controller_manager.nodelifecycle import taints
from controller_manager.nodelifecycle.health import READY, ready_status, unknown_conditions
from controller_manager.plan import NOTHING, Action, Emit, Patch, Plan
from wherry.api.core_v1 import Node, Pod
from wherry.api.core_v1.node import NodeCondition
from wherry.api.model import format_time


def with_conditions(node: Node, changed: Sequence[NodeCondition]) -> Node:
    """The node as it will be when `changed` is written."""
    types = {c.type for c in changed}
    kept = [c for c in node.status.conditions if c.type not in types]
    return node.with_(status=node.status.with_(conditions=[*kept, *changed]))


def plan_silence(node: Node, now: datetime) -> tuple[Node, Plan]:
    """A silent node becomes unknown: the node as it will be, and the writes."""
    changed = unknown_conditions(node, now)
    if not changed:
        return node, NOTHING
    trees = [c.to_wire() for c in changed]
    name = node.metadata.name
    actions: list[Action] = [
        Patch(Node, "", name, {"status": {"conditions": trees}}, subresource="status")
    ]
    if ready_status(node) == "True" and any(c.type == READY for c in changed):
        message = f"Node {name} status is now: NodeNotReady"
        actions.append(Emit(node, "Normal", "NodeNotReady", message))
    return with_conditions(node, changed), Plan(tuple(actions))


def plan_pods_not_ready(on_node: Iterable[Pod], now: datetime) -> Plan:
    """Pods of a node that is not ready must not get traffic: their kubelet cannot say so."""
    actions: list[Action] = []
    for pod in on_node:
        if not pods.is_ready(pod):
            continue
        metadata = pod.metadata
        condition = {"type": READY, "status": "False", "lastTransitionTime": format_time(now)}
        patch = {"metadata": {"uid": metadata.uid}, "status": {"conditions": [condition]}}
        actions.append(Patch(Pod, metadata.namespace, metadata.name, patch, subresource="status"))
        actions.append(Emit(pod, "Warning", "NodeNotReady", "Node is not ready"))
    return Plan(tuple(actions))


def wants_no_execute(node: Node, *, disrupted: bool) -> bool:
    """Should a NoExecute taint come that is not there yet? Only then the rate limit matters."""
    return bool(not disrupted and taints.no_execute_key(node) and not taints.held_no_execute(node))


def plan_taints(node: Node, *, disrupted: bool, granted: bool, now: datetime) -> Plan:
    """The node's taints as its conditions ask for. disrupted: nobody is to be evicted at all.
    granted: a NoExecute taint that is not there may be put on now."""
    key = "" if disrupted else taints.no_execute_key(node)
    if not granted and not taints.held_no_execute(node):
        key = ""
    wanted = taints.with_no_execute(taints.with_no_schedule(node, now), key, now)
    if wanted == node.spec.taints:
        return NOTHING
    patch = {
        # Taints are one list: it must replace the very list it was computed from.
        "metadata": {"resourceVersion": node.metadata.resource_version},
        "spec": {"taints": [taint.to_wire() for taint in wanted]},
    }
    return Plan((Patch(Node, "", node.metadata.name, patch, type="merge"),))
