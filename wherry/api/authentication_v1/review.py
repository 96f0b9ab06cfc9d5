"""Token and self-subject reviews."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Model, TypedModel, wire


class UserInfo(Model):
    username: str = ""
    uid: str = ""
    groups: list[str] = wire([], list_type="atomic")
    extra: dict[str, list[str]] = {}


class TokenReviewSpec(Model):
    token: str = wire("", required=True)
    audiences: list[str] = wire([], list_type="atomic")


class TokenReviewStatus(Model):
    authenticated: bool = False
    user: UserInfo = wire(struct=UserInfo)
    error: str = ""
    audiences: list[str] = wire([], list_type="atomic")


class TokenReview(TypedModel):
    GVK = GroupVersionKind("authentication.k8s.io", "v1", "TokenReview")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: TokenReviewSpec = wire(struct=TokenReviewSpec, required=True, zero="kept")
    status: TokenReviewStatus = wire(struct=TokenReviewStatus)


class SelfSubjectReviewStatus(Model):
    user_info: UserInfo = wire(struct=UserInfo)


class SelfSubjectReview(TypedModel):
    GVK = GroupVersionKind("authentication.k8s.io", "v1", "SelfSubjectReview")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    status: SelfSubjectReviewStatus = wire(struct=SelfSubjectReviewStatus)
