"""The authentication.k8s.io group."""

from __future__ import annotations

from wherry.api.resource import CREATE_ONLY, Resource

MODELS = "wherry.api.authentication_v1"

RESOURCES = (
    Resource(
        "authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews",
        MODELS, namespaced=False, verbs=CREATE_ONLY, stored=False,
    ),
    Resource(
        "authentication.k8s.io", "v1", "TokenReview", "tokenreviews",
        MODELS, namespaced=False, verbs=CREATE_ONLY, stored=False,
    ),
)  # fmt: skip
