"""SelfSubjectRulesReviews."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Model, TypedModel, wire


class SelfSubjectRulesReviewSpec(Model):
    namespace: str = ""


class NonResourceRule(Model):
    verbs: list[str] = wire([], required=True, zero="kept", list_type="atomic")
    non_resource_urls: list[str] = wire([], list_type="atomic")


class ResourceRule(Model):
    verbs: list[str] = wire([], required=True, zero="kept", list_type="atomic")
    api_groups: list[str] = wire([], list_type="atomic")
    resources: list[str] = wire([], list_type="atomic")
    resource_names: list[str] = wire([], list_type="atomic")


class SubjectRulesReviewStatus(Model):
    resource_rules: list[ResourceRule] = wire([], required=True, zero="kept", list_type="atomic")
    non_resource_rules: list[NonResourceRule] = wire(
        [], required=True, zero="kept", list_type="atomic"
    )
    incomplete: bool = wire(False, required=True, zero="kept")
    evaluation_error: str = ""


class SelfSubjectRulesReview(TypedModel):
    GVK = GroupVersionKind("authorization.k8s.io", "v1", "SelfSubjectRulesReview")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: SelfSubjectRulesReviewSpec = wire(
        struct=SelfSubjectRulesReviewSpec, required=True, zero="kept"
    )
    status: SubjectRulesReviewStatus = wire(struct=SubjectRulesReviewStatus)
