"""What a kubelet says of a pod."""

from __future__ import annotations

from wherry.api.core_v1.container import ResourceRequirements
from wherry.api.core_v1.signals import SIGNALS
from wherry.api.model import Int32, Int64, Model, Quantity, Time, wire


class ContainerStateRunning(Model):
    started_at: Time | None = wire(None, zero="kept")


class ContainerStateTerminated(Model):
    exit_code: Int32 = wire(0, required=True, zero="kept")
    signal: Int32 = 0
    reason: str = ""
    message: str = ""
    started_at: Time | None = wire(None, zero="kept")
    finished_at: Time | None = wire(None, zero="kept")
    container_id: str = ""


class ContainerStateWaiting(Model):
    reason: str = ""
    message: str = ""


class ContainerState(Model):
    waiting: ContainerStateWaiting | None = None
    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None


class LinuxContainerUser(Model):
    uid: Int64 = wire(0, required=True, zero="kept")
    gid: Int64 = wire(0, required=True, zero="kept")
    supplemental_groups: list[Int64] = wire([], list_type="atomic")


class ContainerUser(Model):
    linux: LinuxContainerUser | None = None


class ResourceHealth(Model):
    resource_id: str = wire("", required=True, zero="kept")
    health: str = ""
    message: str | None = wire(None, number="6")


class ResourceStatus(Model):
    name: str = wire("", required=True, zero="kept")
    resources: list[ResourceHealth] = wire([], list_type="map", keys=("resourceID",))


class ImageVolumeStatus(Model):
    image_ref: str = wire("", required=True)


class VolumeStatus(Model):
    image: ImageVolumeStatus | None = None


class VolumeMountStatus(Model):
    name: str = wire("", required=True, zero="kept")
    mount_path: str = wire("", required=True, zero="kept")
    read_only: bool = False
    recursive_read_only: str | None = None
    volume_status: VolumeStatus | None = None


class ContainerStatus(Model):
    name: str = wire("", required=True, zero="kept")
    state: ContainerState = wire(struct=ContainerState)
    last_state: ContainerState = wire(struct=ContainerState)
    ready: bool = wire(False, required=True, zero="kept")
    restart_count: Int32 = wire(0, required=True, zero="kept")
    image: str = wire("", required=True, zero="kept")
    image_id: str = wire("", required=True, zero="kept")
    container_id: str = ""
    started: bool | None = None
    allocated_resources: dict[str, Quantity] = {}
    resources: ResourceRequirements | None = None
    volume_mounts: list[VolumeMountStatus] = wire(
        [], list_type="map", keys=("mountPath",), merge_key="mountPath"
    )
    user: ContainerUser | None = None
    allocated_resources_status: list[ResourceStatus] = wire(
        [], list_type="map", keys=("name",), merge_key="name"
    )
    stop_signal: str | None = wire(
        None,
        enum=SIGNALS,
    )


class PodCondition(Model):
    type: str = wire("", required=True, zero="kept")
    status: str = wire("", required=True, zero="kept")
    last_probe_time: Time | None = wire(None, zero="kept")
    last_transition_time: Time | None = wire(None, zero="kept")
    reason: str = ""
    message: str = ""
    observed_generation: Int64 = 0


class PodIP(Model):
    ip: str = wire("", required=True, zero="kept")


class HostIP(Model):
    ip: str = wire("", required=True, zero="kept")


class PodResourceClaimStatus(Model):
    name: str = wire("", required=True, zero="kept")
    resource_claim_name: str | None = None


class ContainerExtendedResourceRequest(Model):
    container_name: str = wire("", required=True, zero="kept")
    resource_name: str = wire("", required=True, zero="kept")
    request_name: str = wire("", required=True, zero="kept")


class PodExtendedResourceClaimStatus(Model):
    request_mappings: list[ContainerExtendedResourceRequest] = wire(
        [], required=True, zero="kept", list_type="atomic"
    )
    resource_claim_name: str = wire("", required=True, zero="kept")


class NodeAllocatableResourceClaimStatus(Model):
    resource_claim_name: str = wire("", required=True, zero="kept")
    containers: list[str] = wire([], list_type="set")
    resources: dict[str, Quantity] = wire({}, required=True, zero="kept")


class PodStatus(Model):
    phase: str = wire("", enum=("Failed", "Pending", "Running", "Succeeded", "Unknown"))
    conditions: list[PodCondition] = wire([], list_type="map", keys=("type",), merge_key="type")
    message: str = ""
    reason: str = ""
    host_ip: str = ""
    pod_ip: str = ""
    start_time: Time | None = None
    container_statuses: list[ContainerStatus] = wire([], list_type="atomic")
    qos_class: str = wire("", enum=("BestEffort", "Burstable", "Guaranteed"))
    init_container_statuses: list[ContainerStatus] = wire([], list_type="atomic")
    nominated_node_name: str = ""
    pod_ips: list[PodIP] = wire([], list_type="map", keys=("ip",), merge_key="ip")
    ephemeral_container_statuses: list[ContainerStatus] = wire([], list_type="atomic")
    resize: str = ""
    resource_claim_statuses: list[PodResourceClaimStatus] = wire(
        [], list_type="map", keys=("name",), merge_key="name", retain_keys=True
    )
    host_ips: list[HostIP] = wire([], list_type="atomic", merge_key="ip")
    observed_generation: Int64 = 0
    extended_resource_claim_status: PodExtendedResourceClaimStatus | None = None
    allocated_resources: dict[str, Quantity] = {}
    resources: ResourceRequirements | None = None
    node_allocatable_resource_claim_statuses: list[NodeAllocatableResourceClaimStatus] = wire(
        [], list_type="atomic"
    )
