"""The policy group."""

from __future__ import annotations

from wherry.api.resource import Resource, status

MODELS = "wherry.api.policy_v1"

RESOURCES = (
    Resource(
        "policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", MODELS,
        short_names=("pdb",), subresources=(status("policy/v1", "PodDisruptionBudget"),),
    ),
)  # fmt: skip
