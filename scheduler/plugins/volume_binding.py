"""VolumeBinding: a pod goes where its volumes are, or where its claims can get some.

Source: upstream's pkg/scheduler/framework/plugins/volumebinding.
"""

from __future__ import annotations

from scheduler.framework import Code, Filter, Happening, Status
from scheduler.state import NodeInfo, PodInfo
from scheduler.volumes import Unusable, Volumes, unreachable

NAME = "VolumeBinding"
CONFLICT = Status(Code.UNRESOLVABLE, NAME, ("node(s) had volume node affinity conflict",))
NONE_TO_BIND = Status(
    Code.UNRESOLVABLE, NAME, ("node(s) didn't find available persistent volumes to bind",)
)


class VolumeBinding:
    name = NAME
    helped_by = frozenset({Happening.VOLUMES, Happening.NODE_ADDED, Happening.NODE_LABELS})

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes

    def prepare_filter(self, pod: PodInfo) -> Filter | None:
        if not pod.claims:
            return None
        volumes = self._volumes
        try:
            wanted = volumes.wanted(pod.claims)
        except Unusable as error:
            refusal = Status(Code.UNRESOLVABLE, NAME, (str(error),))
            return lambda _: refusal

        def check(node: NodeInfo) -> Status | None:
            if unreachable(wanted, node):
                return CONFLICT
            if wanted.waiting and volumes.choose(wanted, node.name, node.labels) is None:
                return NONE_TO_BIND
            return None

        return check
