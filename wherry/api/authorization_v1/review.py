"""Access reviews."""

from __future__ import annotations

from wherry.api.meta_v1.meta import FieldSelectorRequirement, LabelSelectorRequirement, ObjectMeta
from wherry.api.model import GroupVersionKind, Model, TypedModel, wire


class FieldSelectorAttributes(Model):
    raw_selector: str = ""
    requirements: list[FieldSelectorRequirement] = wire([], list_type="atomic")


class LabelSelectorAttributes(Model):
    raw_selector: str = ""
    requirements: list[LabelSelectorRequirement] = wire([], list_type="atomic")


class ResourceAttributes(Model):
    namespace: str = ""
    verb: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    field_selector: FieldSelectorAttributes | None = None
    label_selector: LabelSelectorAttributes | None = None


class NonResourceAttributes(Model):
    path: str = ""
    verb: str = ""


class SubjectAccessReviewSpec(Model):
    resource_attributes: ResourceAttributes | None = None
    non_resource_attributes: NonResourceAttributes | None = None
    user: str = ""
    groups: list[str] = wire([], list_type="atomic")
    extra: dict[str, list[str]] = {}
    uid: str = ""


class SubjectAccessReviewStatus(Model):
    allowed: bool = wire(False, required=True, zero="kept")
    reason: str = ""
    evaluation_error: str = ""
    denied: bool = False


class SubjectAccessReview(TypedModel):
    GVK = GroupVersionKind("authorization.k8s.io", "v1", "SubjectAccessReview")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: SubjectAccessReviewSpec = wire(struct=SubjectAccessReviewSpec, required=True, zero="kept")
    status: SubjectAccessReviewStatus = wire(struct=SubjectAccessReviewStatus)


class SelfSubjectAccessReviewSpec(Model):
    resource_attributes: ResourceAttributes | None = None
    non_resource_attributes: NonResourceAttributes | None = None


class SelfSubjectAccessReview(TypedModel):
    GVK = GroupVersionKind("authorization.k8s.io", "v1", "SelfSubjectAccessReview")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: SelfSubjectAccessReviewSpec = wire(
        struct=SelfSubjectAccessReviewSpec, required=True, zero="kept"
    )
    status: SubjectAccessReviewStatus = wire(struct=SubjectAccessReviewStatus)
