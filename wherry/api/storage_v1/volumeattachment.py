"""VolumeAttachments."""

from __future__ import annotations

from wherry.api.core_v1.persistentvolume import PersistentVolumeSpec
from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, Model, Time, TypedModel, wire


class VolumeAttachmentSource(Model):
    persistent_volume_name: str | None = None
    inline_volume_spec: PersistentVolumeSpec | None = None


class VolumeAttachmentSpec(Model):
    attacher: str = wire("", required=True, zero="kept")
    source: VolumeAttachmentSource = wire(struct=VolumeAttachmentSource, required=True, zero="kept")
    node_name: str = wire("", required=True, zero="kept")


class VolumeError(Model):
    time: Time | None = wire(None, zero="kept")
    message: str = ""
    error_code: Int32 | None = None


class VolumeAttachmentStatus(Model):
    attached: bool = wire(False, required=True, zero="kept")
    attachment_metadata: dict[str, str] = {}
    attach_error: VolumeError | None = None
    detach_error: VolumeError | None = None


class VolumeAttachment(TypedModel):
    GVK = GroupVersionKind("storage.k8s.io", "v1", "VolumeAttachment")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: VolumeAttachmentSpec = wire(struct=VolumeAttachmentSpec, required=True, zero="kept")
    status: VolumeAttachmentStatus = wire(struct=VolumeAttachmentStatus)
