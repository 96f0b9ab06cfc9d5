"""The authorization.k8s.io group."""

from __future__ import annotations

from wherry.api.resource import CREATE_ONLY, Resource

MODELS = "wherry.api.authorization_v1"

RESOURCES = (
    Resource(
        "authorization.k8s.io", "v1", "LocalSubjectAccessReview", "localsubjectaccessreviews",
        MODELS, verbs=CREATE_ONLY, stored=False,
    ),
    Resource(
        "authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews",
        MODELS, namespaced=False, verbs=CREATE_ONLY, stored=False,
    ),
    Resource(
        "authorization.k8s.io", "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews",
        MODELS, namespaced=False, verbs=CREATE_ONLY, stored=False,
    ),
    Resource(
        "authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews",
        MODELS, namespaced=False, verbs=CREATE_ONLY, stored=False,
    ),
)  # fmt: skip
