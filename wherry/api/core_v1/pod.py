"""Pods."""

from __future__ import annotations

from wherry.api.core_v1.affinity import Affinity, Toleration, TopologySpreadConstraint
from wherry.api.core_v1.container import Container, EphemeralContainer, ResourceRequirements
from wherry.api.core_v1.pod_status import PodStatus
from wherry.api.core_v1.reference import LocalObjectReference
from wherry.api.core_v1.security import PodSecurityContext
from wherry.api.core_v1.volume import Volume
from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, Int64, Model, Quantity, TypedModel, wire


class HostAlias(Model):
    ip: str = wire("", required=True, zero="kept")
    hostnames: list[str] = wire([], list_type="atomic")


class PodDNSConfigOption(Model):
    name: str = ""
    value: str | None = None


class PodDNSConfig(Model):
    nameservers: list[str] = wire([], list_type="atomic")
    searches: list[str] = wire([], list_type="atomic")
    options: list[PodDNSConfigOption] = wire([], list_type="atomic")


class PodReadinessGate(Model):
    condition_type: str = wire("", required=True, zero="kept")


class PodSchedulingGate(Model):
    name: str = wire("", required=True, zero="kept")


class PodSchedulingGroup(Model):
    pod_group_name: str | None = None


class PodResourceClaim(Model):
    name: str = wire("", required=True, zero="kept")
    resource_claim_name: str | None = wire(None, number="3")
    resource_claim_template_name: str | None = None


class PodOS(Model):
    name: str = wire("", required=True, zero="kept")


class PodSpec(Model):
    volumes: list[Volume] = wire(
        [], list_type="map", keys=("name",), merge_key="name", retain_keys=True
    )
    containers: list[Container] = wire(
        [],
        required=True,
        zero="kept",
        list_type="map",
        keys=("name",),
        merge_key="name",
    )
    restart_policy: str = wire(
        "",
        enum=("Always", "Never", "OnFailure"),
    )
    termination_grace_period_seconds: Int64 | None = None
    active_deadline_seconds: Int64 | None = None
    dns_policy: str = wire(
        "",
        enum=("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
    )
    node_selector: dict[str, str] = wire({}, map_type="atomic")
    service_account_name: str = ""
    service_account: str = ""
    node_name: str = ""
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    security_context: PodSecurityContext | None = None
    image_pull_secrets: list[LocalObjectReference] = wire(
        [],
        list_type="map",
        keys=("name",),
        merge_key="name",
    )
    hostname: str = ""
    subdomain: str = ""
    affinity: Affinity | None = None
    scheduler_name: str = ""
    init_containers: list[Container] = wire(
        [],
        list_type="map",
        keys=("name",),
        merge_key="name",
    )
    automount_service_account_token: bool | None = None
    tolerations: list[Toleration] = wire([], list_type="atomic")
    host_aliases: list[HostAlias] = wire([], list_type="map", keys=("ip",), merge_key="ip")
    priority_class_name: str = ""
    priority: Int32 | None = None
    dns_config: PodDNSConfig | None = None
    share_process_namespace: bool | None = None
    readiness_gates: list[PodReadinessGate] = wire([], list_type="atomic")
    runtime_class_name: str | None = None
    enable_service_links: bool | None = None
    preemption_policy: str | None = wire(
        None,
        enum=("Never", "PreemptLowerPriority"),
    )
    overhead: dict[str, Quantity] = {}
    topology_spread_constraints: list[TopologySpreadConstraint] = wire(
        [],
        list_type="map",
        keys=("topologyKey", "whenUnsatisfiable"),
        merge_key="topologyKey",
    )
    ephemeral_containers: list[EphemeralContainer] = wire(
        [],
        list_type="map",
        keys=("name",),
        merge_key="name",
    )
    set_hostname_as_fqdn: bool | None = None
    os: PodOS | None = None
    host_users: bool | None = None
    scheduling_gates: list[PodSchedulingGate] = wire(
        [],
        list_type="map",
        keys=("name",),
        merge_key="name",
    )
    resource_claims: list[PodResourceClaim] = wire(
        [], list_type="map", keys=("name",), merge_key="name", retain_keys=True
    )
    resources: ResourceRequirements | None = None
    hostname_override: str | None = None
    scheduling_group: PodSchedulingGroup | None = wire(None, number="43")


class PodTemplateSpec(Model):
    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: PodSpec = wire(struct=PodSpec)


class Pod(TypedModel):
    GVK = GroupVersionKind("", "v1", "Pod")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: PodSpec = wire(struct=PodSpec)
    status: PodStatus = wire(struct=PodStatus)
