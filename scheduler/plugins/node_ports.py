"""NodePorts: a host port is given out once per node, address and protocol."""

from __future__ import annotations

from scheduler.framework import Code, Filter, Happening, Status
from scheduler.state import ANY_ADDRESS, HostPort, NodeInfo, PodInfo

REFUSAL = Status(
    Code.UNSCHEDULABLE, "NodePorts", ("node(s) didn't have free ports for the requested pod ports",)
)


def conflicts(wanted: HostPort, taken: HostPort) -> bool:
    """Whether both can't be open at once: 0.0.0.0 means every address."""
    return wanted[1:] == taken[1:] and (
        wanted[0] == taken[0] or ANY_ADDRESS in (wanted[0], taken[0])
    )


class NodePorts:
    name = "NodePorts"
    helped_by = frozenset({Happening.NODE_ADDED, Happening.POD_GONE})

    def prepare_filter(self, pod: PodInfo) -> Filter | None:
        ports = pod.host_ports
        if not ports:
            return None

        def check(node: NodeInfo) -> Status | None:
            for taken in node.host_ports:
                for wanted in ports:
                    if conflicts(wanted, taken):
                        return REFUSAL
            return None

        return check
