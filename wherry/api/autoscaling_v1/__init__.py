"""The types of the autoscaling group, v1. A name is imported when it is first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.api.lazy import lazy_exports

if TYPE_CHECKING:
    from wherry.api.autoscaling_v1.horizontalpodautoscaler import (
        CrossVersionObjectReference as CrossVersionObjectReference,
    )
    from wherry.api.autoscaling_v1.horizontalpodautoscaler import (
        HorizontalPodAutoscaler as HorizontalPodAutoscaler,
    )
    from wherry.api.autoscaling_v1.horizontalpodautoscaler import (
        HorizontalPodAutoscalerSpec as HorizontalPodAutoscalerSpec,
    )
    from wherry.api.autoscaling_v1.horizontalpodautoscaler import (
        HorizontalPodAutoscalerStatus as HorizontalPodAutoscalerStatus,
    )
    from wherry.api.autoscaling_v1.scale import Scale as Scale
    from wherry.api.autoscaling_v1.scale import ScaleSpec as ScaleSpec
    from wherry.api.autoscaling_v1.scale import ScaleStatus as ScaleStatus

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "horizontalpodautoscaler": (
            "CrossVersionObjectReference",
            "HorizontalPodAutoscaler",
            "HorizontalPodAutoscalerSpec",
            "HorizontalPodAutoscalerStatus",
        ),
        "scale": ("Scale", "ScaleSpec", "ScaleStatus"),
    },
)
