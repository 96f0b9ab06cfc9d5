"""The coordination.k8s.io group."""

from __future__ import annotations

from wherry.api.resource import Resource

MODELS = "wherry.api.coordination_v1"

RESOURCES = (
    Resource(
        "coordination.k8s.io", "v1", "Lease", "leases", MODELS,
    ),
)  # fmt: skip
