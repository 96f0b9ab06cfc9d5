"""NodeName: a pod that names its node runs there or nowhere."""

from __future__ import annotations

from scheduler.framework import Code, Filter, Happening, Status
from scheduler.state import NodeInfo, PodInfo

REFUSAL = Status(Code.UNRESOLVABLE, "NodeName", ("node(s) didn't match the requested node name",))


class NodeName:
    name = "NodeName"
    helped_by = frozenset({Happening.NODE_ADDED})

    def prepare_filter(self, pod: PodInfo) -> Filter | None:
        wanted = pod.node_name
        if not wanted:
            return None

        def check(node: NodeInfo) -> Status | None:
            return None if node.name == wanted else REFUSAL

        return check
