"""The scheduling.k8s.io group."""

from __future__ import annotations

from wherry.api.resource import Resource

MODELS = "wherry.api.scheduling_v1"

RESOURCES = (
    Resource(
        "scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses",
        MODELS, namespaced=False, short_names=("pc",),
    ),
)  # fmt: skip
