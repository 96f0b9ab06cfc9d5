"""What HorizontalPodAutoscalers measure, and how fast they may scale.

Source: validateMetrics, validateBehavior of pkg/apis/autoscaling/validation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from apiserver.registry.validation.words import NON_NEGATIVE, each, invalids, unsupported
from wherry.api import names, quantity
from wherry.api.errors import FieldError, forbidden_field, invalid, not_supported, required

Tree = Mapping[str, Any]

WINDOW_SECONDS_MAX: Final = 3600
PERIOD_SECONDS_MAX: Final = 1800
_TARGETS: Final = ("Utilization", "Value", "AverageValue")
_POLICY_TYPES: Final = ("Percent", "Pods")
_SELECT_POLICIES: Final = ("Disabled", "Max", "Min")
_NO_TARGET: Final = "must set either a target raw value or a target utilization"
_NO_METRIC_TARGET: Final = "must set either a target value for metric or a per-pod target"


def validate_metric(spec: Tree, path: str) -> list[FieldError]:
    kind, at = spec["type"], f"{path}.type"
    errors: list[FieldError] = []
    if not kind:
        errors.append(required(at, "must specify a metric source type"))
    if kind not in METRIC_TYPES:
        errors.append(not_supported(at, kind, METRIC_TYPES))
    present = [field for field in _SOURCES if spec.get(field) is not None]
    if present:
        errors += _SOURCES[present[0]](spec[present[0]], f"{path}.{present[0]}")
    expected = kind[:1].lower() + kind[1:]
    if kind not in METRIC_TYPES:
        errors.append(not_supported(at, kind, METRIC_TYPES))
        expected = ""
    elif expected not in present:
        detail = "must populate information for the given metric source"
        errors.append(required(f"{path}.{expected}", detail))
    if len(present) != 1:
        detail = "must populate the given metric source only"
        errors += [
            forbidden_field(f"{path}.{field}", detail) for field in present if field != expected
        ]
    return errors


def validate_reference(reference: Tree, path: str, *, any_group: bool = False) -> list[FieldError]:
    """A CrossVersionObjectReference."""
    errors: list[FieldError] = []
    for field in ("kind", "name"):
        value, at = reference[field], f"{path}.{field}"
        errors += invalids(at, value, names.path_segment(value)) if value else [required(at)]
    version = reference.get("apiVersion", "")
    at = f"{path}.apiVersion"
    if version.count("/") > 1:
        errors.append(invalid(at, version, f"unexpected GroupVersion string: {version}"))
    elif not any_group and "/" not in version and reference["kind"] != "ReplicationController":
        errors.append(invalid(at, version, "apiVersion must specify API group"))
    return errors


def _identifier(metric: Tree, path: str) -> list[FieldError]:
    name, at = metric["name"], f"{path}.name"
    return (
        invalids(at, name, names.path_segment(name))
        if name
        else [required(at, "must specify a metric name")]
    )


def _target(target: Tree, path: str) -> list[FieldError]:
    kind = target["type"]
    errors: list[FieldError] = []
    if not kind:
        errors.append(required(f"{path}.type", "must specify a metric target type"))
    if kind not in _TARGETS:
        detail = "must be either Utilization, Value, or AverageValue"
        errors.append(invalid(f"{path}.type", kind, detail))
    for field in ("value", "averageValue"):
        amount = target.get(field)
        if amount is not None and quantity.parse(amount) <= 0:
            errors.append(invalid(f"{path}.{field}", amount, "must be positive"))
    utilization = target.get("averageUtilization")
    if utilization is not None and utilization < 1:
        errors.append(invalid(f"{path}.averageUtilization", utilization, "must be greater than 0"))
    return errors


def _object(source: Tree, path: str) -> list[FieldError]:
    target = source["target"]
    errors = validate_reference(
        source["describedObject"], f"{path}.describedObject", any_group=True
    )
    errors += _identifier(source["metric"], f"{path}.metric")
    errors += _target(target, f"{path}.target")
    if target.get("value") is None and target.get("averageValue") is None:
        errors.append(required(f"{path}.target.averageValue", _NO_METRIC_TARGET))
    return errors


def _external(source: Tree, path: str) -> list[FieldError]:
    target = source["target"]
    errors = _identifier(source["metric"], f"{path}.metric") + _target(target, f"{path}.target")
    value, average = target.get("value"), target.get("averageValue")
    if value is None and average is None:
        errors.append(required(f"{path}.target.averageValue", _NO_METRIC_TARGET))
    if value is not None and average is not None:
        detail = "may not set both a target value for metric and a per-pod target"
        errors.append(forbidden_field(f"{path}.target.value", detail))
    return errors


def _pods(source: Tree, path: str) -> list[FieldError]:
    target = source["target"]
    errors = _identifier(source["metric"], f"{path}.metric") + _target(target, f"{path}.target")
    average = target.get("averageValue")
    if average is None or quantity.parse(average) <= 0:
        detail = "must specify a positive target averageValue"
        errors.append(required(f"{path}.target.averageValue", detail))
    return errors


def _resource(source: Tree, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if not source["name"]:
        errors.append(required(f"{path}.name", "must specify a resource name"))
    return errors + _resource_target(source["target"], f"{path}.target")


def _container_resource(source: Tree, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for field, what in (("name", "a resource name"), ("container", "a container")):
        if not source[field]:
            errors.append(required(f"{path}.{field}", f"must specify {what}"))
    return errors + _resource_target(source["target"], f"{path}.target")


def _resource_target(target: Tree, path: str) -> list[FieldError]:
    errors = _target(target, path)
    utilization, average = target.get("averageUtilization"), target.get("averageValue")
    if utilization is None and average is None:
        errors.append(required(f"{path}.averageUtilization", _NO_TARGET))
    if utilization is not None and average is not None:
        detail = "may not set both a target raw value and a target utilization"
        errors.append(forbidden_field(f"{path}.averageValue", detail))
    return errors


# In upstream's order of looking at them.
_SOURCES: Final[Mapping[str, Callable[[Tree, str], list[FieldError]]]] = {
    "object": _object,
    "external": _external,
    "pods": _pods,
    "resource": _resource,
    "containerResource": _container_resource,
}
METRIC_TYPES: Final = ("ContainerResource", "External", "Object", "Pods", "Resource")


def validate_behavior(behavior: Tree | None, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for field in ("scaleUp", "scaleDown"):
        if (rules := (behavior or {}).get(field)) is not None:
            errors += _rules(rules, f"{path}.{field}")
    return errors


def _rules(rules: Tree, path: str) -> list[FieldError]:
    window, at = rules.get("stabilizationWindowSeconds"), f"{path}.stabilizationWindowSeconds"
    errors: list[FieldError] = []
    if window is not None and window < 0:
        errors.append(invalid(at, window, "must be greater than or equal to zero"))
    if window is not None and window > WINDOW_SECONDS_MAX:
        errors.append(invalid(at, window, f"must be less than or equal to {WINDOW_SECONDS_MAX}"))
    select = rules.get("selectPolicy")
    if select is not None and select not in _SELECT_POLICIES:
        errors.append(not_supported(f"{path}.selectPolicy", select, _SELECT_POLICIES))
    policies = rules.get("policies", ())
    if not policies:
        errors.append(required(f"{path}.policies", "must specify at least one Policy"))
    errors += each(policies, f"{path}.policies", _policy)
    tolerance = rules.get("tolerance")
    if tolerance is not None and quantity.parse(tolerance) < 0:
        errors.append(invalid(f"{path}.tolerance", tolerance, NON_NEGATIVE))
    return errors


def _policy(policy: Tree, path: str) -> list[FieldError]:
    kind, value, period = policy["type"], policy["value"], policy["periodSeconds"]
    errors: list[FieldError] = []
    if kind not in _POLICY_TYPES:
        errors.append(unsupported(f"{path}.type", kind, _POLICY_TYPES))
    if value <= 0:
        errors.append(invalid(f"{path}.value", value, "must be greater than zero"))
    at = f"{path}.periodSeconds"
    if period <= 0:
        errors.append(invalid(at, period, "must be greater than zero"))
    if period > PERIOD_SECONDS_MAX:
        errors.append(invalid(at, period, f"must be less than or equal to {PERIOD_SECONDS_MAX}"))
    return errors
