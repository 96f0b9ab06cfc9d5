"""ResourceClaimTemplates."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Model, TypedModel, wire
from wherry.api.resource_v1.common import ResourceClaimSpec


class ResourceClaimTemplateSpec(Model):
    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: ResourceClaimSpec = wire(struct=ResourceClaimSpec, required=True, zero="kept")


class ResourceClaimTemplate(TypedModel):
    GVK = GroupVersionKind("resource.k8s.io", "v1", "ResourceClaimTemplate")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: ResourceClaimTemplateSpec = wire(
        struct=ResourceClaimTemplateSpec, required=True, zero="kept"
    )
