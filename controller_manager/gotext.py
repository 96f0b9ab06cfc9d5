"""A label selector in the words of upstream's messages, which print Go values. Pure."""

from __future__ import annotations

from wherry.api.meta_v1 import LabelSelector, LabelSelectorRequirement


def go_text(selector: LabelSelector | None) -> str:
    """As Go's `%v` prints a pointer to one."""
    if selector is None:
        return "nil"
    labels = "".join(f"{key}: {value}," for key, value in sorted(selector.match_labels.items()))
    rules = "".join(_go_rule(rule) for rule in selector.match_expressions)
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{rules}}},}}"
    )


def _go_rule(rule: LabelSelectorRequirement) -> str:
    values = " ".join(rule.values)
    return (
        f"LabelSelectorRequirement{{Key:{rule.key},Operator:{rule.operator},Values:[{values}],}},"
    )
