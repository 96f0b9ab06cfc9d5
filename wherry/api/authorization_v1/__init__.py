"""The types of the authorization group, v1. A name is imported when it is first asked for."""

from __future__ import annotations

from wherry.api.lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "localsubjectaccessreview": ("LocalSubjectAccessReview",),
        "review": (
            "FieldSelectorAttributes",
            "LabelSelectorAttributes",
            "NonResourceAttributes",
            "ResourceAttributes",
            "SelfSubjectAccessReview",
            "SelfSubjectAccessReviewSpec",
            "SubjectAccessReview",
            "SubjectAccessReviewSpec",
            "SubjectAccessReviewStatus",
        ),
        "selfsubjectrulesreview": (
            "NonResourceRule",
            "ResourceRule",
            "SelfSubjectRulesReview",
            "SelfSubjectRulesReviewSpec",
            "SubjectRulesReviewStatus",
        ),
    },
)
