"""Metrics as autoscaling/v1 annotations spell them, and as version 2 does. Pure.

Version 1 names each amount for what it is a target of; version 2 has `target` and `current` structs.

Source: autoscaling/v1 MetricSpec, MetricStatus; pkg/apis/autoscaling/v1/conversion.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

Tree = dict[str, Any]


class _Form(NamedTuple):
    """How one kind of metric is spelled: version 1's field names for version 2's amounts."""

    target: Mapping[str, str]
    current: Mapping[str, str]
    selector: str = ""  # of the metric; "" when it is named by resource


_FORMS: Final[Mapping[str, _Form]] = {
    "object": _Form(
        {"value": "targetValue", "averageValue": "averageValue"},
        {"value": "currentValue", "averageValue": "averageValue"},
        "selector",
    ),
    "pods": _Form(
        {"averageValue": "targetAverageValue"}, {"averageValue": "currentAverageValue"}, "selector"
    ),
    "resource": _Form(
        {
            "averageUtilization": "targetAverageUtilization",
            "averageValue": "targetAverageValue",
        },
        {
            "averageUtilization": "currentAverageUtilization",
            "averageValue": "currentAverageValue",
        },
    ),
    "containerResource": _Form(
        {
            "averageUtilization": "targetAverageUtilization",
            "averageValue": "targetAverageValue",
        },
        {
            "averageUtilization": "currentAverageUtilization",
            "averageValue": "currentAverageValue",
        },
    ),
    "external": _Form(
        {"value": "targetValue", "averageValue": "targetAverageValue"},
        {"value": "currentValue", "averageValue": "currentAverageValue"},
        "metricSelector",
    ),
}
# Which amount a version 2 target of this type holds.
_TYPE_OF: Final = {
    "averageUtilization": "Utilization", "averageValue": "AverageValue", "value": "Value",
}  # fmt: skip


def metric_spec_to1(metric: Mapping[str, Any]) -> Tree:
    return _to1(metric, "target")


def metric_status_to1(metric: Mapping[str, Any]) -> Tree:
    return _to1(metric, "current")


def metric_spec_from1(metric: Mapping[str, Any]) -> Tree:
    return _from1(metric, "target")


def metric_status_from1(metric: Mapping[str, Any]) -> Tree:
    return _from1(metric, "current")


def _to1(metric: Mapping[str, Any], what: str) -> Tree:
    found: Tree = {"type": metric["type"]}
    for field, form in _FORMS.items():
        source = metric.get(field)
        if source is None:
            continue
        shown: Tree = {}
        if "describedObject" in source:
            shown["target"] = source["describedObject"]
        if form.selector:
            shown["metricName"] = source["metric"]["name"]
            if source["metric"].get("selector") is not None:
                shown[form.selector] = source["metric"]["selector"]
        for name in ("name", "container"):
            if name in source:
                shown[name] = source[name]
        names = form.target if what == "target" else form.current
        amounts = source.get(what) or {}
        shown |= {one: amounts[two] for two, one in names.items() if amounts.get(two) is not None}
        found[field] = shown
    return found


def _from1(metric: Mapping[str, Any], what: str) -> Tree:
    found: Tree = {"type": metric.get("type", "")}
    for field, form in _FORMS.items():
        source = metric.get(field)
        if not isinstance(source, dict):
            continue
        shown: Tree = {}
        if isinstance(source.get("target"), dict):
            shown["describedObject"] = source["target"]
        if form.selector:
            shown["metric"] = {"name": source.get("metricName", "")}
            if source.get(form.selector) is not None:
                shown["metric"]["selector"] = source[form.selector]
        for name in ("name", "container"):
            if name in source:
                shown[name] = source[name]
        names = form.target if what == "target" else form.current
        amounts = {two: source[one] for two, one in names.items() if source.get(one) is not None}
        if what == "target":
            kind = next((_TYPE_OF[name] for name in _TYPE_OF if name in amounts), "")
            amounts = {"type": kind, **amounts}
        shown[what] = amounts
        found[field] = shown
    return found
