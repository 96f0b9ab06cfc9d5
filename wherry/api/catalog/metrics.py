"""The metrics.k8s.io group: read from kubelets when asked for, never stored."""

from __future__ import annotations

from wherry.api.resource import Resource

MODELS = "wherry.api.metrics_v1beta1"
READ_ONLY = ("get", "list")

RESOURCES = (
    Resource(
        "metrics.k8s.io", "v1beta1", "NodeMetrics", "nodes",
        MODELS, namespaced=False, verbs=READ_ONLY, stored=False,
    ),
    Resource(
        "metrics.k8s.io", "v1beta1", "PodMetrics", "pods",
        MODELS, verbs=READ_ONLY, stored=False,
    ),
)  # fmt: skip
