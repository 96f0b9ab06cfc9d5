"""NodeUnschedulable: a cordoned node takes only pods that tolerate it."""

from __future__ import annotations

from scheduler.framework import Code, Filter, Happening, Status
from scheduler.state import NodeInfo, PodInfo
from wherry.api.core_v1.node import Taint
from wherry.api.taints import tolerates

REFUSAL = Status(Code.UNRESOLVABLE, "NodeUnschedulable", ("node(s) were unschedulable",))
CORDON = Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")


def check(node: NodeInfo) -> Status | None:
    return REFUSAL if node.unschedulable else None


class NodeUnschedulable:
    name = "NodeUnschedulable"
    helped_by = frozenset({Happening.NODE_ADDED, Happening.NODE_TAINTS})

    def prepare_filter(self, pod: PodInfo) -> Filter | None:
        return None if tolerates(pod.tolerations, CORDON) else check
