"""The types of the storage group, v1. A name is imported when it is first asked for."""

from wherry.api.storage_v1.csidriver import CSIDriver as CSIDriver
from wherry.api.storage_v1.csidriver import CSIDriverSpec as CSIDriverSpec
from wherry.api.storage_v1.csidriver import TokenRequest as TokenRequest
from wherry.api.storage_v1.csinode import CSINode as CSINode
from wherry.api.storage_v1.csinode import CSINodeDriver as CSINodeDriver
from wherry.api.storage_v1.csinode import CSINodeSpec as CSINodeSpec
from wherry.api.storage_v1.csinode import VolumeNodeResources as VolumeNodeResources
from wherry.api.storage_v1.csistoragecapacity import CSIStorageCapacity as CSIStorageCapacity
from wherry.api.storage_v1.storageclass import StorageClass as StorageClass
from wherry.api.storage_v1.volumeattachment import VolumeAttachment as VolumeAttachment
from wherry.api.storage_v1.volumeattachment import (
    VolumeAttachmentSource as VolumeAttachmentSource,
)
from wherry.api.storage_v1.volumeattachment import VolumeAttachmentSpec as VolumeAttachmentSpec
from wherry.api.storage_v1.volumeattachment import (
    VolumeAttachmentStatus as VolumeAttachmentStatus,
)
from wherry.api.storage_v1.volumeattachment import VolumeError as VolumeError
from wherry.api.storage_v1.volumeattributesclass import (
    VolumeAttributesClass as VolumeAttributesClass,
)
