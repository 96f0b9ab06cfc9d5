"""The storage.k8s.io group."""

from __future__ import annotations

from wherry.api.resource import Resource, status

MODELS = "wherry.api.storage_v1"
GROUP = "storage.k8s.io"

RESOURCES = (
    Resource(GROUP, "v1", "CSIDriver", "csidrivers", MODELS, namespaced=False),
    Resource(GROUP, "v1", "CSINode", "csinodes", MODELS, namespaced=False),
    Resource(GROUP, "v1", "CSIStorageCapacity", "csistoragecapacities", MODELS),
    Resource(
        GROUP, "v1", "StorageClass", "storageclasses", MODELS, namespaced=False,
        short_names=("sc",),
    ),
    Resource(
        GROUP, "v1", "VolumeAttachment", "volumeattachments", MODELS, namespaced=False,
        subresources=(status("storage.k8s.io/v1", "VolumeAttachment"),),
    ),
    Resource(
        GROUP, "v1", "VolumeAttributesClass", "volumeattributesclasses", MODELS, namespaced=False,
        short_names=("vac",),
    ),
)  # fmt: skip
