"""HorizontalPodAutoscalers, in the version they are stored in: defaults, rules, Table rows.

Source: pkg/registry/autoscaling/horizontalpodautoscaler/strategy.go,
pkg/apis/autoscaling/v2/defaults.go, pkg/apis/autoscaling/validation,
printHorizontalPodAutoscaler.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.printing import AGE, NAME, NONE, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.metrics import (
    validate_behavior,
    validate_metric,
    validate_reference,
)
from apiserver.registry.validation.words import each, non_negative
from wherry.api.autoscaling_v2 import HorizontalPodAutoscaler
from wherry.api.errors import FieldError, invalid, required
from wherry.api.scheme import resource_of

DEFAULT_UTILIZATION: Final = 80
METRICS_SHOWN: Final = 2
_AT_LEAST_ONE: Final = "must be greater than or equal to 1"
_PERCENT_POLICY: Final = {"type": "Percent", "value": 100, "periodSeconds": 15}
_PODS_POLICY: Final = {"type": "Pods", "value": 4, "periodSeconds": 15}
# Fields of rules, in the order in which they are written.
_RULES: Final = ("stabilizationWindowSeconds", "selectPolicy", "policies", "tolerance")


class HorizontalPodAutoscalerStrategy(Strategy):
    """A workload's replicas follow what is measured."""

    resource = resource_of(HorizontalPodAutoscaler)
    columns = (
        NAME,
        Column("Reference", description="What is scaled."),
        Column("Targets", description="What is measured, and wanted."),
        Column("MinPods", description="Replicas there are at least."),
        Column("MaxPods", description="Replicas there are at most."),
        Column("Replicas", description="Replicas there are."),
        AGE,
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        spec = tree["spec"]
        if spec.get("minReplicas") is None:
            spec["minReplicas"] = 1
        if not spec.get("metrics"):
            spec["metrics"] = [cpu_metric(DEFAULT_UTILIZATION)]
        if (behavior := spec.get("behavior")) is not None:
            up = {
                "stabilizationWindowSeconds": 0,
                "selectPolicy": "Max",
                "policies": [dict(_PODS_POLICY), dict(_PERCENT_POLICY)],
            }
            down = {"selectPolicy": "Max", "policies": [dict(_PERCENT_POLICY)]}
            for field, defaults in (("scaleUp", up), ("scaleDown", down)):
                rules = {**defaults, **(behavior.get(field) or {})}
                behavior[field] = {key: rules[key] for key in _RULES if key in rules}

    def prepare_for_create(self, tree: Tree) -> None:
        tree["status"] = {"desiredReplicas": 0, "currentMetrics": None}

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["status"] = dict(old["status"])

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["spec"] = dict(old["spec"])

    def validate(self, tree: Tree) -> list[FieldError]:
        return _spec_errors(tree["spec"], None)

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return _spec_errors(tree["spec"], old["spec"])

    def validate_status_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        errors: list[FieldError] = []
        for field in ("currentReplicas", "desiredReplicas"):
            errors += non_negative(tree["status"].get(field, 0), f"status.{field}")
        return errors

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        spec, status = tree["spec"], tree["status"]
        target, lowest = spec["scaleTargetRef"], spec.get("minReplicas")
        return (
            tree["metadata"]["name"],
            f"{target['kind']}/{target['name']}",
            _metrics(spec.get("metrics", ()), status.get("currentMetrics") or ()),
            "<unset>" if lowest is None else str(lowest),
            spec["maxReplicas"],
            status.get("currentReplicas", 0),
            created(tree, now),
        )


def cpu_metric(utilization: int) -> Tree:
    """The metric that version 1 knows."""
    target = {"type": "Utilization", "averageUtilization": utilization}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def _spec_errors(spec: Tree, old: Mapping[str, Any] | None) -> list[FieldError]:
    lowest, most = spec.get("minReplicas"), spec["maxReplicas"]
    errors: list[FieldError] = []
    if lowest is not None and lowest < 1:
        errors.append(invalid("spec.minReplicas", lowest, _AT_LEAST_ONE))
    if most == 0:
        errors.append(required("spec.maxReplicas", "must be set and greater than 0"))
    elif most < 1:
        errors.append(invalid("spec.maxReplicas", most, _AT_LEAST_ONE))
    if lowest is not None and most < lowest:
        detail = "must be greater than or equal to `minReplicas`"
        errors.append(invalid("spec.maxReplicas", most, detail))
    target = spec["scaleTargetRef"]
    unchanged = old is not None and old["scaleTargetRef"].get("apiVersion") == target.get(
        "apiVersion"
    )
    errors += validate_reference(target, "spec.scaleTargetRef", any_group=unchanged)
    errors += each(spec.get("metrics", ()), "spec.metrics", validate_metric)
    return errors + validate_behavior(spec.get("behavior"), "spec.behavior")


def _metrics(specs: Sequence[Mapping[str, Any]], states: Sequence[Mapping[str, Any]]) -> str:
    if not specs:
        return NONE
    shown = [
        _metric(spec, states[index] if index < len(states) else {})
        for index, spec in enumerate(specs[:METRICS_SHOWN])
    ]
    more = len(specs) - METRICS_SHOWN
    return ", ".join(shown) + (f" + {more} more..." if more > 0 else "")


def _metric(spec: Mapping[str, Any], state: Mapping[str, Any]) -> str:
    """What is measured over what is wanted."""
    kind = spec["type"]
    field = kind[:1].lower() + kind[1:]
    source = spec.get(field)
    if source is None:
        return "<unknown type>"
    current: Mapping[str, Any] = (state.get(field) or {}).get("current") or {}
    target = source["target"]
    if "resource" in field.lower():
        if target.get("averageValue") is not None:
            words = f"{current.get('averageValue', '<unknown>')}/{target['averageValue']}"
        else:
            words = f"{_share(current)}/{_share(target, '<auto>')}"
        return f"{source['name']}: {words}"
    average = target.get("averageValue")
    if average is None:
        return f"{current.get('value', '<unknown>')}/{target.get('value', '<unknown>')}"
    suffix = "" if field == "pods" else " (avg)"
    return f"{current.get('averageValue', '<unknown>')}/{average}{suffix}"


def _share(amounts: Mapping[str, Any], otherwise: str = "<unknown>") -> str:
    share = amounts.get("averageUtilization")
    return otherwise if share is None else f"{share}%"
