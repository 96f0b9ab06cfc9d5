"""PodTemplates."""

from __future__ import annotations

from wherry.api.core_v1.pod import PodTemplateSpec
from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, TypedModel, wire


class PodTemplate(TypedModel):
    GVK = GroupVersionKind("", "v1", "PodTemplate")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    template: PodTemplateSpec = wire(struct=PodTemplateSpec)
