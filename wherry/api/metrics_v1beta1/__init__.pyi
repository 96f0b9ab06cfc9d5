"""The types of the metrics group, v1beta1. A name is imported when it is first asked for."""

from wherry.api.metrics_v1beta1.metrics import ContainerMetrics as ContainerMetrics
from wherry.api.metrics_v1beta1.metrics import NodeMetrics as NodeMetrics
from wherry.api.metrics_v1beta1.metrics import PodMetrics as PodMetrics
