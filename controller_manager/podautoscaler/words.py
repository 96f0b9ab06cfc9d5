"""What is said of a metric that can't be read, in upstream's words. Pure.

Custom and external metrics come from APIs of others, which this cluster does not serve: a metric of
them fails with what upstream says where none is installed.

Source: upstream's pkg/controller/podautoscaler (horizontal.go, replica_calculator.go, metrics/).
"""

from __future__ import annotations

from controller_manager.gotext import go_text
from wherry.api.autoscaling_v2 import MetricSpec

_NO_CUSTOM = (
    "unable to fetch metrics from custom metrics API: "
    "no custom metrics API (custom.metrics.k8s.io) registered"
)
_NO_TARGET = "neither a value target nor an average value target was set"


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


def not_served(metric: MetricSpec, namespace: str) -> str:
    """Why a custom or external metric can't be had; a source of unknown type is named."""
    if metric.pods is not None:
        return f"unable to get metric {metric.pods.metric.name}: {_NO_CUSTOM}"
    if metric.object is not None:
        target, about = metric.object.target, metric.object.described_object
        if target.value is None and target.average_value is None:
            return f"invalid object metric source: {_NO_TARGET}"
        # Kind and error stand where upstream's format puts them.
        where = f"{about.kind} on {namespace} {about.name}/{_NO_CUSTOM}"
        return f"unable to get metric {metric.object.metric.name}: {where}"
    if metric.external is not None:
        if metric.external.target.value is None and metric.external.target.average_value is None:
            return f"invalid external metric source: {_NO_TARGET}"
        name, selector = metric.external.metric.name, metric.external.metric.selector
        return (
            f"unable to get external metric {namespace}/{name}/{go_text(selector)}: "
            "unable to fetch metrics from external metrics API: "
            f"the server could not find the requested resource (get {name}.external.metrics.k8s.io)"
        )
    return f'unknown metric source type "{metric.type}"'
