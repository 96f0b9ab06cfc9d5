"""The node.k8s.io group."""

from __future__ import annotations

from wherry.api.resource import Resource

MODELS = "wherry.api.node_v1"

RESOURCES = (
    Resource("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", MODELS, namespaced=False),
)
