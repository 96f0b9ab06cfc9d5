"""PersistentVolumes."""

from __future__ import annotations

from wherry.api.core_v1.affinity import NodeSelector
from wherry.api.core_v1.reference import ObjectReference
from wherry.api.core_v1.volume import HostPathVolumeSource
from wherry.api.core_v1.volume_plugins import (
    AWSElasticBlockStoreVolumeSource,
    AzureDiskVolumeSource,
    FCVolumeSource,
    FlockerVolumeSource,
    GCEPersistentDiskVolumeSource,
    NFSVolumeSource,
    PhotonPersistentDiskVolumeSource,
    PortworxVolumeSource,
    QuobyteVolumeSource,
    VsphereVirtualDiskVolumeSource,
)
from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, Model, Quantity, Time, TypedModel, wire


class AzureFilePersistentVolumeSource(Model):
    secret_name: str = wire("", required=True, zero="kept")
    share_name: str = wire("", required=True, zero="kept")
    read_only: bool = False
    secret_namespace: str | None = wire(None, zero="kept")


class SecretReference(Model):
    ATOMIC = True

    name: str = ""
    namespace: str = ""


class CephFSPersistentVolumeSource(Model):
    monitors: list[str] = wire([], required=True, zero="kept", list_type="atomic")
    path: str = ""
    user: str = ""
    secret_file: str = ""
    secret_ref: SecretReference | None = None
    read_only: bool = False


class CinderPersistentVolumeSource(Model):
    volume_id: str = wire("", required=True, zero="kept")
    fs_type: str = ""
    read_only: bool = False
    secret_ref: SecretReference | None = None


class CSIPersistentVolumeSource(Model):
    driver: str = wire("", required=True, zero="kept")
    volume_handle: str = wire("", required=True, zero="kept")
    read_only: bool = False
    fs_type: str = ""
    volume_attributes: dict[str, str] = {}
    controller_publish_secret_ref: SecretReference | None = None
    node_stage_secret_ref: SecretReference | None = None
    node_publish_secret_ref: SecretReference | None = None
    controller_expand_secret_ref: SecretReference | None = None
    node_expand_secret_ref: SecretReference | None = None


class FlexPersistentVolumeSource(Model):
    driver: str = wire("", required=True, zero="kept")
    fs_type: str = ""
    secret_ref: SecretReference | None = None
    read_only: bool = False
    options: dict[str, str] = {}


class GlusterfsPersistentVolumeSource(Model):
    endpoints: str = wire("", required=True, zero="kept")
    path: str = wire("", required=True, zero="kept")
    read_only: bool = False
    endpoints_namespace: str | None = None


class ISCSIPersistentVolumeSource(Model):
    target_portal: str = wire("", required=True, zero="kept")
    iqn: str = wire("", required=True, zero="kept")
    lun: Int32 = wire(0, required=True, zero="kept")
    iscsi_interface: str = ""
    fs_type: str = ""
    read_only: bool = False
    portals: list[str] = wire([], list_type="atomic")
    chap_auth_discovery: bool = False
    secret_ref: SecretReference | None = wire(None, number="10")
    chap_auth_session: bool = False
    initiator_name: str | None = None


class LocalVolumeSource(Model):
    path: str = wire("", required=True, zero="kept")
    fs_type: str | None = None


class VolumeNodeAffinity(Model):
    required: NodeSelector | None = None


class RBDPersistentVolumeSource(Model):
    monitors: list[str] = wire([], required=True, zero="kept", list_type="atomic")
    image: str = wire("", required=True, zero="kept")
    fs_type: str = ""
    pool: str = ""
    user: str = ""
    keyring: str = ""
    secret_ref: SecretReference | None = None
    read_only: bool = False


class ScaleIOPersistentVolumeSource(Model):
    gateway: str = wire("", required=True, zero="kept")
    system: str = wire("", required=True, zero="kept")
    secret_ref: SecretReference | None = wire(None, required=True, zero="kept")
    ssl_enabled: bool = False
    protection_domain: str = ""
    storage_pool: str = ""
    storage_mode: str = ""
    volume_name: str = ""
    fs_type: str = ""
    read_only: bool = False


class StorageOSPersistentVolumeSource(Model):
    volume_name: str = ""
    volume_namespace: str = ""
    fs_type: str = ""
    read_only: bool = False
    secret_ref: ObjectReference | None = None


class PersistentVolumeSpec(Model):
    capacity: dict[str, Quantity] = {}
    access_modes: list[str] = wire([], list_type="atomic", number="3")
    claim_ref: ObjectReference | None = wire(None, map_type="granular")
    persistent_volume_reclaim_policy: str = wire("", enum=("Delete", "Recycle", "Retain"))
    storage_class_name: str = ""
    mount_options: list[str] = wire([], list_type="atomic")
    volume_mode: str | None = wire(None, enum=("Block", "Filesystem"))
    node_affinity: VolumeNodeAffinity | None = None
    volume_attributes_class_name: str | None = None
    aws_elastic_block_store: AWSElasticBlockStoreVolumeSource | None = wire(None, number="2.2")
    azure_disk: AzureDiskVolumeSource | None = wire(None, number="2.16")
    azure_file: AzureFilePersistentVolumeSource | None = wire(None, number="2.13")
    cephfs: CephFSPersistentVolumeSource | None = wire(None, number="2.9")
    cinder: CinderPersistentVolumeSource | None = wire(None, number="2.8")
    csi: CSIPersistentVolumeSource | None = wire(None, number="2.22")
    fc: FCVolumeSource | None = wire(None, number="2.10")
    flex_volume: FlexPersistentVolumeSource | None = wire(None, number="2.12")
    flocker: FlockerVolumeSource | None = wire(None, number="2.11")
    gce_persistent_disk: GCEPersistentDiskVolumeSource | None = wire(None, number="2.1")
    glusterfs: GlusterfsPersistentVolumeSource | None = wire(None, number="2.4")
    host_path: HostPathVolumeSource | None = wire(None, number="2.3")
    iscsi: ISCSIPersistentVolumeSource | None = wire(None, number="2.7")
    local: LocalVolumeSource | None = wire(None, number="2.20")
    nfs: NFSVolumeSource | None = wire(None, number="2.5")
    photon_persistent_disk: PhotonPersistentDiskVolumeSource | None = wire(None, number="2.17")
    portworx_volume: PortworxVolumeSource | None = wire(None, number="2.18")
    quobyte: QuobyteVolumeSource | None = wire(None, number="2.15")
    rbd: RBDPersistentVolumeSource | None = wire(None, number="2.6")
    scale_io: ScaleIOPersistentVolumeSource | None = wire(None, number="2.19")
    storageos: StorageOSPersistentVolumeSource | None = wire(None, number="2.21")
    vsphere_volume: VsphereVirtualDiskVolumeSource | None = wire(None, number="2.14")


class PersistentVolumeStatus(Model):
    phase: str = wire("", enum=("Available", "Bound", "Failed", "Pending", "Released"))
    message: str = ""
    reason: str = ""
    last_phase_transition_time: Time | None = None


class PersistentVolume(TypedModel):
    GVK = GroupVersionKind("", "v1", "PersistentVolume")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: PersistentVolumeSpec = wire(struct=PersistentVolumeSpec)
    status: PersistentVolumeStatus = wire(struct=PersistentVolumeStatus)
