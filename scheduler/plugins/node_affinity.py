"""NodeAffinity: nodeSelector and node affinity, required and preferred.

Source: k8s.io/component-helpers/scheduling/corev1/nodeaffinity.
"""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.framework import Code, Filter, Happening, Score, Status, normalize_by_most
from scheduler.state import NodeInfo, PodInfo
from wherry.api.core_v1.affinity import NodeSelectorRequirement, NodeSelectorTerm

REFUSAL = Status(
    Code.UNRESOLVABLE, "NodeAffinity", ("node(s) didn't match Pod's node affinity/selector",)
)


def matches_term(term: NodeSelectorTerm, node: NodeInfo) -> bool:
    """Whether the node meets all of a term's requirements; an empty term matches nothing."""
    if not term.match_expressions and not term.match_fields:
        return False
    return all(_meets(one, node.labels) for one in term.match_expressions) and all(
        _meets(one, {"metadata.name": node.name}) for one in term.match_fields
    )


def _meets(requirement: NodeSelectorRequirement, values: Mapping[str, str]) -> bool:
    value = values.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            return _compare(operator, value, requirement.values)
        case _:
            return False


def _compare(operator: str, value: str | None, limits: list[str]) -> bool:
    try:
        number, limit = int(value or ""), int(limits[0])
    except (ValueError, IndexError):
        return False
    return number > limit if operator == "Gt" else number < limit


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
            if terms is not None and not any(matches_term(term, node) for term in terms):
                return REFUSAL
            return None

        return check

    def prepare_score(self, pod: PodInfo) -> Score | None:
        terms = [(one.weight, one.preference) for one in pod.preferred if one.weight]
        if not terms:
            return None

        def weigh(node: NodeInfo) -> int:
            return sum(weight for weight, term in terms if matches_term(term, node))

        return weigh

    def normalize(self, scores: list[int]) -> list[int]:
        return normalize_by_most(scores)
