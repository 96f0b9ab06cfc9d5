"""HorizontalPodAutoscalers of version 1: one number for CPU, all else in annotations. Pure.

Source: pkg/apis/autoscaling/v1/conversion.go.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from apiserver.registry.autoscaling.horizontalpodautoscaler import cpu_metric
from apiserver.registry.autoscaling.metrics1 import (
    metric_spec_from1,
    metric_spec_to1,
    metric_status_from1,
    metric_status_to1,
)
from apiserver.registry.view import View
from wherry.api import autoscaling_v1, autoscaling_v2
from wherry.api.scheme import resource_of

Tree = dict[str, Any]
Convert = Callable[[Mapping[str, Any]], Tree]

_PREFIX: Final = "autoscaling.alpha.kubernetes.io/"
METRICS: Final = f"{_PREFIX}metrics"
CURRENT_METRICS: Final = f"{_PREFIX}current-metrics"
CONDITIONS: Final = f"{_PREFIX}conditions"
BEHAVIOR: Final = f"{_PREFIX}behavior"
_OURS: Final = (METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR)
# Behavior is written as upstream's internal type, whose fields are in Go's spelling.
_RULES: Final = ("StabilizationWindowSeconds", "SelectPolicy", "Policies", "Tolerance")
_POLICY: Final = ("Type", "Value", "PeriodSeconds")
_SPEC: Final = ("scaleTargetRef", "minReplicas", "maxReplicas")
_STATUS: Final = ("observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas")


class HorizontalPodAutoscalerV1(View):
    """autoscaling/v1 of what is stored as autoscaling/v2."""

    resource = resource_of(autoscaling_v1.HorizontalPodAutoscaler)
    stored = resource_of(autoscaling_v2.HorizontalPodAutoscaler)

    def to_stored(self, tree: Tree) -> Tree:
        metadata = dict(tree.get("metadata") or {})
        annotations = dict(metadata.get("annotations") or {})
        said = {key: _json(annotations.pop(key, "")) for key in _OURS}
        _put(metadata, "annotations", annotations)
        spec, status = tree.get("spec") or {}, tree.get("status") or {}
        return {
            **_typed(tree, self.stored.api_version),
            "metadata": metadata,
            "spec": _spec_from1(spec, said),
            "status": _status_from1(status, said),
        }

    def from_stored(self, tree: Tree) -> Tree:
        metadata, spec, status = dict(tree["metadata"]), tree["spec"], tree["status"]
        annotations = {
            key: value
            for key, value in (metadata.get("annotations") or {}).items()
            if key not in _OURS
        }
        annotations |= _annotations(spec, status)
        _put(metadata, "annotations", {key: annotations[key] for key in sorted(annotations)})
        return {
            **_typed(tree, self.resource.api_version),
            "metadata": metadata,
            "spec": _spec_to1(spec),
            "status": _status_to1(status),
        }


def _typed(tree: Mapping[str, Any], api_version: str) -> Tree:
    """kind and apiVersion, for objects that say them (items of lists do not)."""
    return {"kind": tree["kind"], "apiVersion": api_version} if "kind" in tree else {}


def _put(metadata: Tree, field: str, value: Tree) -> None:
    if value:
        metadata[field] = value
    else:
        metadata.pop(field, None)


def _json(text: str) -> Any:
    """What an annotation says; None when it is no JSON, which upstream passes over too."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def _write(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _is_cpu(metric: Mapping[str, Any]) -> bool:
    """Whether version 1 has a field for it."""
    resource = metric.get("resource") or {}
    return (
        metric["type"] == "Resource"
        and resource.get("name") == "cpu"
        and (resource.get("target") or {}).get("averageUtilization") is not None
    )


def _spec_from1(spec: Mapping[str, Any], said: Mapping[str, Any]) -> Tree:
    found: Tree = {field: spec[field] for field in _SPEC if field in spec}
    utilization = spec.get("targetCPUUtilizationPercentage")
    metrics = [] if utilization is None else [cpu_metric(utilization)]
    metrics += [metric_spec_from1(one) for one in _objects(said[METRICS])]
    if metrics:
        found["metrics"] = metrics
    if isinstance(said[BEHAVIOR], dict):
        found["behavior"] = _behavior_from1(said[BEHAVIOR])
    return found


def _spec_to1(spec: Mapping[str, Any]) -> Tree:
    found: Tree = {field: spec[field] for field in _SPEC if field in spec}
    cpu = next((one for one in spec.get("metrics", ()) if _is_cpu(one)), None)
    if cpu is not None:
        utilization = cpu["resource"]["target"]["averageUtilization"]
        found["targetCPUUtilizationPercentage"] = utilization
    return found


def _status_from1(status: Mapping[str, Any], said: Mapping[str, Any]) -> Tree:
    found: Tree = {field: status[field] for field in _STATUS if field in status}
    metrics = [metric_status_from1(one) for one in _objects(said[CURRENT_METRICS])]
    utilization = status.get("currentCPUUtilizationPercentage")
    if not metrics and utilization is not None:
        current = {"averageUtilization": utilization}
        metrics = [{"type": "Resource", "resource": {"name": "cpu", "current": current}}]
    if metrics:
        found["currentMetrics"] = metrics
    if conditions := _objects(said[CONDITIONS]):
        found["conditions"] = conditions
    return found


def _status_to1(status: Mapping[str, Any]) -> Tree:
    counts = {"currentReplicas": 0, "desiredReplicas": 0}
    merged = {**counts, **status}
    found: Tree = {field: merged[field] for field in _STATUS if field in merged}
    for metric in status.get("currentMetrics") or ():
        resource = metric.get("resource") or {}
        current = resource.get("current") or {}
        if resource.get("name") == "cpu" and current.get("averageUtilization") is not None:
            found["currentCPUUtilizationPercentage"] = current["averageUtilization"]
    return found


def _annotations(spec: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, str]:
    """All that version 1 has no field for."""
    found: dict[str, str] = {}
    others = [metric_spec_to1(one) for one in spec.get("metrics", ()) if not _is_cpu(one)]
    if others:
        found[METRICS] = _write(others)
    if current := [metric_status_to1(one) for one in status.get("currentMetrics") or ()]:
        found[CURRENT_METRICS] = _write(current)
    if conditions := status.get("conditions"):
        found[CONDITIONS] = _write(conditions)
    if (behavior := spec.get("behavior")) is not None:
        found[BEHAVIOR] = _write(_behavior_to1(behavior))
    return found


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]


def _behavior_to1(behavior: Mapping[str, Any]) -> Tree:
    return {
        field: None if behavior.get(_lower(field)) is None else _rules_to1(behavior[_lower(field)])
        for field in ("ScaleUp", "ScaleDown")
    }


def _rules_to1(rules: Mapping[str, Any]) -> Tree:
    found: Tree = {field: rules.get(_lower(field)) for field in _RULES}
    if found["Policies"] is not None:
        found["Policies"] = [
            {field: policy[_lower(field)] for field in _POLICY} for policy in found["Policies"]
        ]
    return found


def _behavior_from1(behavior: Mapping[str, Any]) -> Tree:
    return {
        _lower(field): _rules_from1(behavior[field])
        for field in ("ScaleUp", "ScaleDown")
        if isinstance(behavior.get(field), dict)
    }


def _rules_from1(rules: Mapping[str, Any]) -> Tree:
    found: Tree = {_lower(key): rules[key] for key in _RULES if rules.get(key) is not None}
    if "policies" in found:
        found["policies"] = [
            {_lower(key): policy[key] for key in _POLICY if key in policy}
            for policy in _objects(found["policies"])
        ]
    return found
