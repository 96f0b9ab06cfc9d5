"""NodeAffinity: nodeSelector and node affinity, required and preferred.

Source: k8s.io/component-helpers/scheduling/corev1/nodeaffinity.
"""

from __future__ import annotations

from scheduler.framework import Code, Filter, Happening, Score, Status, normalize_by_most
from scheduler.state import NodeInfo, PodInfo
from wherry.api.node_selector import matches_term

REFUSAL = Status(
    Code.UNRESOLVABLE, "NodeAffinity", ("node(s) didn't match Pod's node affinity/selector",)
)


class NodeAffinity:
    name = "NodeAffinity"
    helped_by = frozenset({Happening.NODE_ADDED, Happening.NODE_LABELS})

    def prepare_filter(self, pod: PodInfo) -> Filter | None:
        wanted = pod.node_selector
        terms = pod.required.node_selector_terms if pod.required is not None else None
        if not wanted and terms is None:
            return None

        def check(node: NodeInfo) -> Status | None:
            labels = node.labels
            for key, value in wanted:
                if labels.get(key) != value:
                    return REFUSAL
            if terms is not None and not any(
                matches_term(term, node.name, node.labels) for term in terms
            ):
                return REFUSAL
            return None

        return check

    def prepare_score(self, pod: PodInfo) -> Score | None:
        terms = [(one.weight, one.preference) for one in pod.preferred if one.weight]
        if not terms:
            return None

        def weigh(node: NodeInfo) -> int:
            return sum(
                weight for weight, term in terms if matches_term(term, node.name, node.labels)
            )

        return weigh

    def normalize(self, scores: list[int]) -> list[int]:
        return normalize_by_most(scores)
