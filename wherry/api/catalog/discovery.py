"""The discovery.k8s.io group."""

from __future__ import annotations

from wherry.api.resource import Resource

MODELS = "wherry.api.discovery_v1"

RESOURCES = (
    Resource(
        "discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", MODELS,
    ),
)  # fmt: skip
