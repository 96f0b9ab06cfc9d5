"""Volumes a kubelet makes from the cluster's own objects, and their mounts."""

from __future__ import annotations

from wherry.api.core_v1.env import ObjectFieldSelector, ResourceFieldSelector
from wherry.api.core_v1.reference import TypedLocalObjectReference, TypedObjectReference
from wherry.api.core_v1.volume_plugins import (
    AWSElasticBlockStoreVolumeSource,
    AzureDiskVolumeSource,
    AzureFileVolumeSource,
    CephFSVolumeSource,
    CinderVolumeSource,
    CSIVolumeSource,
    FCVolumeSource,
    FlexVolumeSource,
    FlockerVolumeSource,
    GCEPersistentDiskVolumeSource,
    GitRepoVolumeSource,
    GlusterfsVolumeSource,
    ISCSIVolumeSource,
    NFSVolumeSource,
    PhotonPersistentDiskVolumeSource,
    PortworxVolumeSource,
    QuobyteVolumeSource,
    RBDVolumeSource,
    ScaleIOVolumeSource,
    StorageOSVolumeSource,
    VsphereVirtualDiskVolumeSource,
)
from wherry.api.meta_v1.meta import LabelSelector, ObjectMeta
from wherry.api.model import Int32, Int64, Model, Quantity, wire


class KeyToPath(Model):
    key: str = wire("", required=True, zero="kept")
    path: str = wire("", required=True, zero="kept")
    mode: Int32 | None = None


class HostPathVolumeSource(Model):
    path: str = wire("", required=True, zero="kept")
    type: str | None = wire(
        None,
        enum=(
            "",
            "BlockDevice",
            "CharDevice",
            "Directory",
            "DirectoryOrCreate",
            "File",
            "FileOrCreate",
            "Socket",
        ),
    )


class EmptyDirVolumeSource(Model):
    medium: str = ""
    size_limit: Quantity | None = None


class SecretVolumeSource(Model):
    secret_name: str = ""
    items: list[KeyToPath] = wire([], list_type="atomic")
    default_mode: Int32 | None = None
    optional: bool | None = None


class ConfigMapVolumeSource(Model):
    name: str = wire("", number="1.1")
    items: list[KeyToPath] = wire([], list_type="atomic", number="2")
    default_mode: Int32 | None = None
    optional: bool | None = None


class DownwardAPIVolumeFile(Model):
    path: str = wire("", required=True, zero="kept")
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    mode: Int32 | None = None


class DownwardAPIVolumeSource(Model):
    items: list[DownwardAPIVolumeFile] = wire([], list_type="atomic")
    default_mode: Int32 | None = None


class SecretProjection(Model):
    name: str = wire("", number="1.1")
    items: list[KeyToPath] = wire([], list_type="atomic", number="2")
    optional: bool | None = wire(None, number="4")


class ConfigMapProjection(Model):
    name: str = wire("", number="1.1")
    items: list[KeyToPath] = wire([], list_type="atomic", number="2")
    optional: bool | None = wire(None, number="4")


class DownwardAPIProjection(Model):
    items: list[DownwardAPIVolumeFile] = wire([], list_type="atomic")


class ServiceAccountTokenProjection(Model):
    audience: str = ""
    expiration_seconds: Int64 | None = None
    path: str = wire("", required=True, zero="kept")


class ClusterTrustBundleProjection(Model):
    name: str | None = None
    signer_name: str | None = None
    label_selector: LabelSelector | None = None
    path: str = wire("", required=True, zero="kept")
    optional: bool | None = None


class PodCertificateProjection(Model):
    signer_name: str = wire("", required=True)
    key_type: str = wire("", required=True)
    max_expiration_seconds: Int32 | None = None
    credential_bundle_path: str = ""
    key_path: str = ""
    certificate_chain_path: str = ""
    user_annotations: dict[str, str] = {}


class VolumeProjection(Model):
    secret: SecretProjection | None = None
    downward_api: DownwardAPIProjection | None = wire(None, alias="downwardAPI")
    config_map: ConfigMapProjection | None = None
    service_account_token: ServiceAccountTokenProjection | None = None
    cluster_trust_bundle: ClusterTrustBundleProjection | None = None
    pod_certificate: PodCertificateProjection | None = None


class ProjectedVolumeSource(Model):
    sources: list[VolumeProjection] = wire([], zero="kept", list_type="atomic")
    default_mode: Int32 | None = None


class VolumeResourceRequirements(Model):
    limits: dict[str, Quantity] = {}
    requests: dict[str, Quantity] = {}


class PersistentVolumeClaimSpec(Model):
    access_modes: list[str] = wire([], list_type="atomic")
    resources: VolumeResourceRequirements = wire(struct=VolumeResourceRequirements)
    volume_name: str = ""
    selector: LabelSelector | None = None
    storage_class_name: str | None = None
    volume_mode: str | None = wire(None, enum=("Block", "Filesystem"))
    data_source: TypedLocalObjectReference | None = None
    data_source_ref: TypedObjectReference | None = None
    volume_attributes_class_name: str | None = None


class PersistentVolumeClaimTemplate(Model):
    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: PersistentVolumeClaimSpec = wire(
        struct=PersistentVolumeClaimSpec, required=True, zero="kept"
    )


class PersistentVolumeClaimVolumeSource(Model):
    claim_name: str = wire("", required=True, zero="kept")
    read_only: bool = False


class EphemeralVolumeSource(Model):
    volume_claim_template: PersistentVolumeClaimTemplate | None = None


class ImageVolumeSource(Model):
    reference: str = ""
    pull_policy: str = wire("", enum=("Always", "IfNotPresent", "Never"))


class Volume(Model):
    name: str = wire("", required=True, zero="kept")
    aws_elastic_block_store: AWSElasticBlockStoreVolumeSource | None = wire(None, number="2.4")
    azure_disk: AzureDiskVolumeSource | None = wire(None, number="2.22")
    azure_file: AzureFileVolumeSource | None = wire(None, number="2.18")
    cephfs: CephFSVolumeSource | None = wire(None, number="2.14")
    cinder: CinderVolumeSource | None = wire(None, number="2.13")
    config_map: ConfigMapVolumeSource | None = wire(None, number="2.19")
    csi: CSIVolumeSource | None = wire(None, number="2.28")
    downward_api: DownwardAPIVolumeSource | None = wire(None, alias="downwardAPI", number="2.16")
    empty_dir: EmptyDirVolumeSource | None = wire(None, number="2.2")
    ephemeral: EphemeralVolumeSource | None = wire(None, number="2.29")
    fc: FCVolumeSource | None = wire(None, number="2.17")
    flex_volume: FlexVolumeSource | None = wire(None, number="2.12")
    flocker: FlockerVolumeSource | None = wire(None, number="2.15")
    gce_persistent_disk: GCEPersistentDiskVolumeSource | None = wire(None, number="2.3")
    git_repo: GitRepoVolumeSource | None = wire(None, number="2.5")
    glusterfs: GlusterfsVolumeSource | None = wire(None, number="2.9")
    host_path: HostPathVolumeSource | None = wire(None, number="2.1")
    image: ImageVolumeSource | None = wire(None, number="2.30")
    iscsi: ISCSIVolumeSource | None = wire(None, number="2.8")
    nfs: NFSVolumeSource | None = wire(None, number="2.7")
    persistent_volume_claim: PersistentVolumeClaimVolumeSource | None = wire(None, number="2.10")
    photon_persistent_disk: PhotonPersistentDiskVolumeSource | None = wire(None, number="2.23")
    portworx_volume: PortworxVolumeSource | None = wire(None, number="2.24")
    projected: ProjectedVolumeSource | None = wire(None, number="2.26")
    quobyte: QuobyteVolumeSource | None = wire(None, number="2.21")
    rbd: RBDVolumeSource | None = wire(None, number="2.11")
    scale_io: ScaleIOVolumeSource | None = wire(None, number="2.25")
    secret: SecretVolumeSource | None = wire(None, number="2.6")
    storageos: StorageOSVolumeSource | None = wire(None, number="2.27")
    vsphere_volume: VsphereVirtualDiskVolumeSource | None = wire(None, number="2.20")


class VolumeMount(Model):
    name: str = wire("", required=True, zero="kept")
    read_only: bool = False
    mount_path: str = wire("", required=True, zero="kept")
    sub_path: str = ""
    mount_propagation: str | None = wire(None, enum=("Bidirectional", "HostToContainer", "None"))
    sub_path_expr: str = ""
    recursive_read_only: str | None = None


class VolumeDevice(Model):
    name: str = wire("", required=True, zero="kept")
    device_path: str = wire("", required=True, zero="kept")
