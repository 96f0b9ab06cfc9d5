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
        doc="What runs; at least one.",
    )
    restart_policy: str = wire(
        "",
        enum=("Always", "Never", "OnFailure"),
        doc="When containers that ended are started again.",
    )
    termination_grace_period_seconds: Int64 | None = wire(
        None, doc="Time between the request to stop and the kill."
    )
    active_deadline_seconds: Int64 | None = wire(
        None, doc="Seconds after its start when the pod fails."
    )
    dns_policy: str = wire(
        "",
        enum=("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
        doc="Where the resolver configuration comes from.",
    )
    node_selector: dict[str, str] = wire({}, map_type="atomic", doc="Labels that a node must have.")
    service_account_name: str = wire("", doc="Account the pod speaks to the API as.")
    service_account: str = wire("", doc="Older name of serviceAccountName.")
    node_name: str = wire("", doc="The node it runs on; empty until scheduled.")
    host_network: bool = wire(False, doc="Share the node's network namespace.")
    host_pid: bool = wire(False, doc="Share the node's process namespace.")
    host_ipc: bool = wire(False, doc="Share the node's IPC namespace.")
    security_context: PodSecurityContext | None = None
    image_pull_secrets: list[LocalObjectReference] = wire(
        [],
        list_type="map",
        keys=("name",),
        merge_key="name",
        doc="Secrets with credentials for image registries.",
    )
    hostname: str = ""
    subdomain: str = wire("", doc="With the hostname makes the pod's domain name.")
    affinity: Affinity | None = None
    scheduler_name: str = wire("", doc="Which scheduler binds it.")
    init_containers: list[Container] = wire(
        [],
        list_type="map",
        keys=("name",),
        merge_key="name",
        doc="Run to their end, one after the other, before the containers.",
    )
    automount_service_account_token: bool | None = wire(
        None, doc="Whether containers find the account's token in a volume."
    )
    tolerations: list[Toleration] = wire(
        [], list_type="atomic", doc="Taints that do not keep it from a node."
    )
    host_aliases: list[HostAlias] = wire(
        [], list_type="map", keys=("ip",), merge_key="ip", doc="Further lines of /etc/hosts."
    )
    priority_class_name: str = ""
    priority: Int32 | None = wire(None, doc="From the class; higher ones are scheduled first.")
    dns_config: PodDNSConfig | None = None
    share_process_namespace: bool | None = wire(
        None, doc="Whether containers see each other's processes."
    )
    readiness_gates: list[PodReadinessGate] = wire(
        [], list_type="atomic", doc="Further conditions that readiness needs."
    )
    runtime_class_name: str | None = wire(None, doc="RuntimeClass that says how it is run.")
    enable_service_links: bool | None = wire(
        None, doc="Whether Services appear in environment variables."
    )
    preemption_policy: str | None = wire(
        None,
        enum=("Never", "PreemptLowerPriority"),
        doc="Whether less important pods may have to go.",
    )
    overhead: dict[str, Quantity] = wire({}, doc="What running it takes beside its containers.")
    topology_spread_constraints: list[TopologySpreadConstraint] = wire(
        [],
        list_type="map",
        keys=("topologyKey", "whenUnsatisfiable"),
        merge_key="topologyKey",
        doc="How evenly such pods lie over zones or nodes.",
    )
    ephemeral_containers: list[EphemeralContainer] = wire(
        [],
        list_type="map",
        keys=("name",),
        merge_key="name",
        doc="Added to a running pod to look into it.",
    )
    set_hostname_as_fqdn: bool | None = wire(
        None, doc="Whether the hostname is the full domain name."
    )
    os: PodOS | None = None
    host_users: bool | None = wire(None, doc="Whether it shares the node's user namespace.")
    scheduling_gates: list[PodSchedulingGate] = wire(
        [],
        list_type="map",
        keys=("name",),
        merge_key="name",
        doc="While there are any, it is not scheduled.",
    )
    resource_claims: list[PodResourceClaim] = wire(
        [], list_type="map", keys=("name",), merge_key="name", retain_keys=True
    )
    resources: ResourceRequirements | None = wire(
        None, doc="Requests and limits of all containers together."
    )
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
