"""Nodes."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, Int64, Model, Quantity, Time, TypedModel, wire


class Taint(Model):
    key: str = wire("", required=True, zero="kept")
    value: str = ""
    effect: str = wire(
        "", required=True, zero="kept", enum=("NoExecute", "NoSchedule", "PreferNoSchedule")
    )
    time_added: Time | None = None


class ConfigMapNodeConfigSource(Model):
    namespace: str = wire("", required=True, zero="kept")
    name: str = wire("", required=True, zero="kept")
    uid: str = ""
    resource_version: str = ""
    kubelet_config_key: str = wire("", required=True, zero="kept")


class NodeConfigSource(Model):
    config_map: ConfigMapNodeConfigSource | None = wire(None, number="2")


class NodeSpec(Model):
    pod_cidr: str = ""
    external_id: str = ""
    provider_id: str = ""
    unschedulable: bool = False
    taints: list[Taint] = wire([], list_type="atomic")
    config_source: NodeConfigSource | None = None
    pod_cidrs: list[str] = wire([], list_type="set", merge_key="")


class NodeCondition(Model):
    type: str = wire("", required=True, zero="kept")
    status: str = wire("", required=True, zero="kept")
    last_heartbeat_time: Time | None = wire(None, zero="kept")
    last_transition_time: Time | None = wire(None, zero="kept")
    reason: str = ""
    message: str = ""


class NodeAddress(Model):
    type: str = wire("", required=True, zero="kept")
    address: str = wire("", required=True, zero="kept")


class DaemonEndpoint(Model):
    port: Int32 = wire(0, alias="Port", required=True, zero="kept")


class NodeDaemonEndpoints(Model):
    kubelet_endpoint: DaemonEndpoint = wire(struct=DaemonEndpoint)


class NodeSwapStatus(Model):
    capacity: Int64 | None = None


class NodeSystemInfo(Model):
    machine_id: str = wire("", required=True, zero="kept")
    system_uuid: str = wire("", required=True, zero="kept")
    boot_id: str = wire("", required=True, zero="kept")
    kernel_version: str = wire("", required=True, zero="kept")
    os_image: str = wire("", required=True, zero="kept")
    container_runtime_version: str = wire("", required=True, zero="kept")
    kubelet_version: str = wire("", required=True, zero="kept")
    kube_proxy_version: str = wire("", required=True, zero="kept")
    operating_system: str = wire("", required=True, zero="kept")
    architecture: str = wire("", required=True, zero="kept")
    swap: NodeSwapStatus | None = None


class ContainerImage(Model):
    names: list[str] = wire([], zero="kept", list_type="atomic")
    size_bytes: Int64 = 0


class AttachedVolume(Model):
    name: str = wire("", required=True, zero="kept")
    device_path: str = wire("", required=True, zero="kept")


class NodeConfigStatus(Model):
    assigned: NodeConfigSource | None = None
    active: NodeConfigSource | None = None
    last_known_good: NodeConfigSource | None = None
    error: str = ""


class NodeRuntimeHandlerFeatures(Model):
    recursive_read_only_mounts: bool | None = None
    user_namespaces: bool | None = None


class NodeRuntimeHandler(Model):
    name: str = wire("", zero="kept")
    features: NodeRuntimeHandlerFeatures | None = None


class NodeFeatures(Model):
    supplemental_groups_policy: bool | None = None


class NodeStatus(Model):
    capacity: dict[str, Quantity] = {}
    allocatable: dict[str, Quantity] = {}
    phase: str = wire("", enum=("Pending", "Running", "Terminated"))
    conditions: list[NodeCondition] = wire([], list_type="map", keys=("type",), merge_key="type")
    addresses: list[NodeAddress] = wire([], list_type="map", keys=("type",), merge_key="type")
    daemon_endpoints: NodeDaemonEndpoints = wire(struct=NodeDaemonEndpoints)
    node_info: NodeSystemInfo = wire(struct=NodeSystemInfo)
    images: list[ContainerImage] = wire([], list_type="atomic")
    volumes_in_use: list[str] = wire([], list_type="atomic")
    volumes_attached: list[AttachedVolume] = wire([], list_type="atomic")
    config: NodeConfigStatus | None = None
    runtime_handlers: list[NodeRuntimeHandler] = wire([], list_type="atomic")
    features: NodeFeatures | None = None
    declared_features: list[str] = wire([], list_type="atomic")


class Node(TypedModel):
    GVK = GroupVersionKind("", "v1", "Node")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: NodeSpec = wire(struct=NodeSpec)
    status: NodeStatus = wire(struct=NodeStatus)
