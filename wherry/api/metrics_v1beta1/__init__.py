"""The types of the metrics group, v1beta1. A name is imported when it is first asked for."""

from __future__ import annotations

from wherry.api.lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__, {"metrics": ("ContainerMetrics", "NodeMetrics", "PodMetrics")}
)
