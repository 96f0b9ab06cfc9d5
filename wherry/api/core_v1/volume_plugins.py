"""Volumes of storage systems outside the cluster."""

from __future__ import annotations

from wherry.api.core_v1.reference import LocalObjectReference
from wherry.api.model import Int32, Model, wire


class AWSElasticBlockStoreVolumeSource(Model):
    volume_id: str = wire("", required=True, zero="kept")
    fs_type: str = ""
    partition: Int32 = 0
    read_only: bool = False


class AzureDiskVolumeSource(Model):
    disk_name: str = wire("", required=True, zero="kept")
    disk_uri: str = wire("", required=True, zero="kept")
    caching_mode: str | None = wire(None, enum=("None", "ReadOnly", "ReadWrite"))
    fs_type: str | None = None
    read_only: bool | None = None
    kind: str | None = wire(None, enum=("Dedicated", "Managed", "Shared"))


class AzureFileVolumeSource(Model):
    secret_name: str = wire("", required=True, zero="kept")
    share_name: str = wire("", required=True, zero="kept")
    read_only: bool = False


class CSIVolumeSource(Model):
    driver: str = wire("", required=True, zero="kept")
    read_only: bool | None = None
    fs_type: str | None = None
    volume_attributes: dict[str, str] = {}
    node_publish_secret_ref: LocalObjectReference | None = None


class CephFSVolumeSource(Model):
    monitors: list[str] = wire([], required=True, zero="kept", list_type="atomic")
    path: str = ""
    user: str = ""
    secret_file: str = ""
    secret_ref: LocalObjectReference | None = None
    read_only: bool = False


class CinderVolumeSource(Model):
    volume_id: str = wire("", required=True, zero="kept")
    fs_type: str = ""
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None


class FCVolumeSource(Model):
    target_wwns: list[str] = wire([], list_type="atomic")
    lun: Int32 | None = None
    fs_type: str = ""
    read_only: bool = False
    wwids: list[str] = wire([], list_type="atomic")


class FlexVolumeSource(Model):
    driver: str = wire("", required=True, zero="kept")
    fs_type: str = ""
    secret_ref: LocalObjectReference | None = None
    read_only: bool = False
    options: dict[str, str] = {}


class FlockerVolumeSource(Model):
    dataset_name: str = ""
    dataset_uuid: str = ""


class GCEPersistentDiskVolumeSource(Model):
    pd_name: str = wire("", required=True, zero="kept")
    fs_type: str = ""
    partition: Int32 = 0
    read_only: bool = False


class GitRepoVolumeSource(Model):
    repository: str = wire("", required=True, zero="kept")
    revision: str = ""
    directory: str = ""


class GlusterfsVolumeSource(Model):
    endpoints: str = wire("", required=True, zero="kept")
    path: str = wire("", required=True, zero="kept")
    read_only: bool = False


class ISCSIVolumeSource(Model):
    target_portal: str = wire("", required=True, zero="kept")
    iqn: str = wire("", required=True, zero="kept")
    lun: Int32 = wire(0, required=True, zero="kept")
    iscsi_interface: str = ""
    fs_type: str = ""
    read_only: bool = False
    portals: list[str] = wire([], list_type="atomic")
    chap_auth_discovery: bool = False
    secret_ref: LocalObjectReference | None = wire(None, number="10")
    chap_auth_session: bool = False
    initiator_name: str | None = None


class NFSVolumeSource(Model):
    server: str = wire("", required=True, zero="kept")
    path: str = wire("", required=True, zero="kept")
    read_only: bool = False


class PhotonPersistentDiskVolumeSource(Model):
    pd_id: str = wire("", required=True, zero="kept")
    fs_type: str = ""


class PortworxVolumeSource(Model):
    volume_id: str = wire("", required=True, zero="kept")
    fs_type: str = ""
    read_only: bool = False


class QuobyteVolumeSource(Model):
    registry: str = wire("", required=True, zero="kept")
    volume: str = wire("", required=True, zero="kept")
    read_only: bool = False
    user: str = ""
    group: str = ""
    tenant: str = ""


class RBDVolumeSource(Model):
    monitors: list[str] = wire([], required=True, zero="kept", list_type="atomic")
    image: str = wire("", required=True, zero="kept")
    fs_type: str = ""
    pool: str = ""
    user: str = ""
    keyring: str = ""
    secret_ref: LocalObjectReference | None = None
    read_only: bool = False


class ScaleIOVolumeSource(Model):
    gateway: str = wire("", required=True, zero="kept")
    system: str = wire("", required=True, zero="kept")
    secret_ref: LocalObjectReference | None = wire(None, required=True, zero="kept")
    ssl_enabled: bool = False
    protection_domain: str = ""
    storage_pool: str = ""
    storage_mode: str = ""
    volume_name: str = ""
    fs_type: str = ""
    read_only: bool = False


class StorageOSVolumeSource(Model):
    volume_name: str = ""
    volume_namespace: str = ""
    fs_type: str = ""
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None


class VsphereVirtualDiskVolumeSource(Model):
    volume_path: str = wire("", required=True, zero="kept")
    fs_type: str = ""
    storage_policy_name: str = ""
    storage_policy_id: str = ""
