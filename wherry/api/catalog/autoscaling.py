"""The autoscaling group. Version 2, the preferred one, is stored."""

from __future__ import annotations

from wherry.api.resource import Resource, status

RESOURCES = (
    Resource(
        "autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers",
        "wherry.api.autoscaling_v2", short_names=("hpa",), categories=("all",),
        subresources=(status("autoscaling/v2", "HorizontalPodAutoscaler"),),
    ),
    Resource(
        "autoscaling", "v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers",
        "wherry.api.autoscaling_v1", short_names=("hpa",), categories=("all",), stored=False,
        subresources=(status("autoscaling/v1", "HorizontalPodAutoscaler"),),
    ),
)  # fmt: skip
