"""What is said of a metric that can't be read, in upstream's words. Pure.

Source: upstream's pkg/controller/podautoscaler (horizontal.go, replica_calculator.go, metrics/).
"""

from __future__ import annotations

from wherry.api.autoscaling_v2 import MetricSpec


def reason(metric: MetricSpec) -> str:
    return f"FailedGet{metric.type}Metric"


def of_sum(metric: MetricSpec, why: str) -> str:
    """The same failure, as the sum over all metrics tells it."""
    match metric:
        case MetricSpec(resource=resource) if resource is not None:
            return f"failed to get {resource.name} resource metric value: {why}"
        case MetricSpec(container_resource=one) if one is not None:
            return f"failed to get {one.container} container metric value: {why}"
        case MetricSpec(pods=pods) if pods is not None:
            return f"failed to get pods metric value: {why}"
        case MetricSpec(object=about) if about is not None:
            if about.target.value is None and about.target.average_value is not None:
                why = f"failed to get {about.metric.name} object metric: {why}"
            return f"failed to get object metric value: {why}"
        case MetricSpec(external=external) if external is not None:
            name, target = external.metric.name, external.target
            if target.average_value is not None:
                why = f"failed to get {name} external metric: {why}"
            elif target.value is not None:
                why = f"failed to get external metric {name}: {why}"
            return f"failed to get {name} external metric value: {why}"
    return why
