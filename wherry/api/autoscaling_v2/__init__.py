"""The types of the autoscaling group, v2. A name is imported when it is first asked for."""

from __future__ import annotations

from wherry.api.lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "horizontalpodautoscaler": (
            "ContainerResourceMetricSource",
            "ContainerResourceMetricStatus",
            "CrossVersionObjectReference",
            "ExternalMetricSource",
            "ExternalMetricStatus",
            "HPAScalingPolicy",
            "HPAScalingRules",
            "HorizontalPodAutoscaler",
            "HorizontalPodAutoscalerBehavior",
            "HorizontalPodAutoscalerCondition",
            "HorizontalPodAutoscalerSpec",
            "HorizontalPodAutoscalerStatus",
            "MetricIdentifier",
            "MetricSpec",
            "MetricStatus",
            "MetricTarget",
            "MetricValueStatus",
            "ObjectMetricSource",
            "ObjectMetricStatus",
            "PodsMetricSource",
            "PodsMetricStatus",
            "ResourceMetricSource",
            "ResourceMetricStatus",
        ),
    },
)
