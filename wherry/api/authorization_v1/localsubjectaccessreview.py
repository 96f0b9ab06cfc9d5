"""LocalSubjectAccessReviews."""

from __future__ import annotations

from wherry.api.authorization_v1.review import SubjectAccessReviewSpec, SubjectAccessReviewStatus
from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, TypedModel, wire


class LocalSubjectAccessReview(TypedModel):
    GVK = GroupVersionKind("authorization.k8s.io", "v1", "LocalSubjectAccessReview")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: SubjectAccessReviewSpec = wire(struct=SubjectAccessReviewSpec, required=True, zero="kept")
    status: SubjectAccessReviewStatus = wire(struct=SubjectAccessReviewStatus)
