"""Which nodes a term of a node selector means. Pure; the scheduler and controllers agree by it.

Source: k8s.io/component-helpers/scheduling/corev1/nodeaffinity.
"""

from __future__ import annotations

from collections.abc import Mapping

from wherry.api.core_v1.affinity import NodeSelectorRequirement, NodeSelectorTerm

NODE_NAME = "metadata.name"  # the one field of a node that can be asked for


def matches_term(term: NodeSelectorTerm, name: str, labels: Mapping[str, str]) -> bool:
    """Whether a node meets all of a term's requirements; an empty term matches nothing."""
    if not term.match_expressions and not term.match_fields:
        return False
    return all(_meets(one, labels) for one in term.match_expressions) and all(
        _meets(one, {NODE_NAME: name}) for one in term.match_fields
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
