"""TaintToleration: hard taints keep pods away, soft ones make a node less welcome.

Source: k8s.io/component-helpers/scheduling/corev1 and the plug-in of the same name.
"""

from __future__ import annotations

from scheduler.framework import Code, Filter, Happening, Score, Status, normalize_by_most
from scheduler.state import NodeInfo, PodInfo
from wherry.api.taints import tolerates

REFUSAL = Status(Code.UNRESOLVABLE, "TaintToleration", ("node(s) had untolerated taint(s)",))


class TaintToleration:
    name = "TaintToleration"
    helped_by = frozenset({Happening.NODE_ADDED, Happening.NODE_TAINTS})

    def prepare_filter(self, pod: PodInfo) -> Filter | None:
        tolerations = pod.tolerations

        def check(node: NodeInfo) -> Status | None:
            for taint in node.hard_taints:
                if not tolerates(tolerations, taint):
                    return REFUSAL
            return None

        return check

    def prepare_score(self, pod: PodInfo) -> Score | None:
        soft = [one for one in pod.tolerations if one.effect in ("", "PreferNoSchedule")]

        def count(node: NodeInfo) -> int:
            """Soft taints that the pod does not tolerate: the fewer the better."""
            if not node.soft_taints:
                return 0
            return sum(not tolerates(soft, taint) for taint in node.soft_taints)

        return count

    def normalize(self, scores: list[int]) -> list[int]:
        return normalize_by_most(scores, reverse=True)
