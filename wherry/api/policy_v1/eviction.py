"""The eviction subresource."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.meta_v1.status import DeleteOptions
from wherry.api.model import GroupVersionKind, TypedModel, wire


class Eviction(TypedModel):
    GVK = GroupVersionKind("policy", "v1", "Eviction")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    delete_options: DeleteOptions | None = None
