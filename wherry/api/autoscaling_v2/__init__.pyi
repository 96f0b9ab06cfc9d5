"""The types of the autoscaling group, v2. A name is imported when it is first asked for."""

from wherry.api.autoscaling_v2.horizontalpodautoscaler import (
    ContainerResourceMetricSource as ContainerResourceMetricSource,
)
from wherry.api.autoscaling_v2.horizontalpodautoscaler import (
    ContainerResourceMetricStatus as ContainerResourceMetricStatus,
)
from wherry.api.autoscaling_v2.horizontalpodautoscaler import (
    CrossVersionObjectReference as CrossVersionObjectReference,
)
from wherry.api.autoscaling_v2.horizontalpodautoscaler import (
    ExternalMetricSource as ExternalMetricSource,
)
from wherry.api.autoscaling_v2.horizontalpodautoscaler import (
    ExternalMetricStatus as ExternalMetricStatus,
)
from wherry.api.autoscaling_v2.horizontalpodautoscaler import (
    HorizontalPodAutoscaler as HorizontalPodAutoscaler,
)
from wherry.api.autoscaling_v2.horizontalpodautoscaler import (
    HorizontalPodAutoscalerBehavior as HorizontalPodAutoscalerBehavior,
)
from wherry.api.autoscaling_v2.horizontalpodautoscaler import (
    HorizontalPodAutoscalerCondition as HorizontalPodAutoscalerCondition,
)
from wherry.api.autoscaling_v2.horizontalpodautoscaler import (
    HorizontalPodAutoscalerSpec as HorizontalPodAutoscalerSpec,
)
from wherry.api.autoscaling_v2.horizontalpodautoscaler import (
    HorizontalPodAutoscalerStatus as HorizontalPodAutoscalerStatus,
)
from wherry.api.autoscaling_v2.horizontalpodautoscaler import (
    HPAScalingPolicy as HPAScalingPolicy,
)
from wherry.api.autoscaling_v2.horizontalpodautoscaler import HPAScalingRules as HPAScalingRules
from wherry.api.autoscaling_v2.horizontalpodautoscaler import (
    MetricIdentifier as MetricIdentifier,
)
from wherry.api.autoscaling_v2.horizontalpodautoscaler import MetricSpec as MetricSpec
from wherry.api.autoscaling_v2.horizontalpodautoscaler import MetricStatus as MetricStatus
from wherry.api.autoscaling_v2.horizontalpodautoscaler import MetricTarget as MetricTarget
from wherry.api.autoscaling_v2.horizontalpodautoscaler import (
    MetricValueStatus as MetricValueStatus,
)
from wherry.api.autoscaling_v2.horizontalpodautoscaler import (
    ObjectMetricSource as ObjectMetricSource,
)
from wherry.api.autoscaling_v2.horizontalpodautoscaler import (
    ObjectMetricStatus as ObjectMetricStatus,
)
from wherry.api.autoscaling_v2.horizontalpodautoscaler import (
    PodsMetricSource as PodsMetricSource,
)
from wherry.api.autoscaling_v2.horizontalpodautoscaler import (
    PodsMetricStatus as PodsMetricStatus,
)
from wherry.api.autoscaling_v2.horizontalpodautoscaler import (
    ResourceMetricSource as ResourceMetricSource,
)
from wherry.api.autoscaling_v2.horizontalpodautoscaler import (
    ResourceMetricStatus as ResourceMetricStatus,
)
