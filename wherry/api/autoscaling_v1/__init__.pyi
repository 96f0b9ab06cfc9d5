"""The types of the autoscaling group, v1. A name is imported when it is first asked for."""

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
