"""The types of the storage group, v1. A name is imported when it is first asked for."""

from __future__ import annotations

from wherry.api.lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "csidriver": ("CSIDriver", "CSIDriverSpec", "TokenRequest"),
        "csinode": ("CSINode", "CSINodeDriver", "CSINodeSpec", "VolumeNodeResources"),
        "csistoragecapacity": ("CSIStorageCapacity",),
        "storageclass": ("StorageClass",),
        "volumeattachment": (
            "VolumeAttachment",
            "VolumeAttachmentSource",
            "VolumeAttachmentSpec",
            "VolumeAttachmentStatus",
            "VolumeError",
        ),
        "volumeattributesclass": ("VolumeAttributesClass",),
    },
)
