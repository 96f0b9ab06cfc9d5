"""Services and their status."""

from __future__ import annotations

from wherry.api.meta_v1.meta import Condition, ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, IntOrString, Model, TypedModel, wire


class ClientIPConfig(Model):
    timeout_seconds: Int32 | None = None


class SessionAffinityConfig(Model):
    client_ip: ClientIPConfig | None = None


class ServicePort(Model):
    name: str = ""
    protocol: str = wire("", enum=("SCTP", "TCP", "UDP"))
    port: Int32 = wire(0, required=True, zero="kept", doc="Port that clients use.")
    target_port: IntOrString = wire(0, zero="kept", doc="Port of the pods, by number or name.")
    node_port: Int32 = wire(0, doc="Port of every node that leads here.")
    app_protocol: str | None = wire(None, doc="Protocol spoken above TCP.")


class ServiceSpec(Model):
    ports: list[ServicePort] = wire(
        [], list_type="map", keys=("port", "protocol"), merge_key="port"
    )
    selector: dict[str, str] = wire({}, map_type="atomic", doc="Labels of the pods behind it.")
    cluster_ip: str = wire("", doc="Address in the cluster; None for a headless one.")
    type: str = wire(
        "",
        enum=("ClusterIP", "ExternalName", "LoadBalancer", "NodePort"),
        doc="From where it can be reached.",
    )
    external_ips: list[str] = wire(
        [], list_type="atomic", doc="Further addresses that nodes take traffic for."
    )
    session_affinity: str = wire(
        "", enum=("ClientIP", "None"), number="7", doc="Whether a client keeps its pod."
    )
    load_balancer_ip: str = ""
    load_balancer_source_ranges: list[str] = wire(
        [], list_type="atomic", doc="Networks whose clients the balancer lets in."
    )
    external_name: str = wire("", doc="Name that DNS answers with, for type ExternalName.")
    external_traffic_policy: str = wire(
        "",
        enum=("Cluster", "Local"),
        doc="Local keeps the client address, on nodes with pods only.",
    )
    health_check_node_port: Int32 = 0
    publish_not_ready_addresses: bool = wire(False, doc="List pods that are not ready, too.")
    session_affinity_config: SessionAffinityConfig | None = None
    ip_family_policy: str | None = wire(
        None,
        enum=("PreferDualStack", "RequireDualStack", "SingleStack"),
        number="17",
        doc="How many address families it wants or needs.",
    )
    cluster_ips: list[str] = wire([], list_type="atomic")
    ip_families: list[str] = wire([], list_type="atomic")
    allocate_load_balancer_node_ports: bool | None = None
    load_balancer_class: str | None = None
    internal_traffic_policy: str | None = wire(
        None, enum=("Cluster", "Local"), doc="Local uses the client node's pods only."
    )
    traffic_distribution: str | None = wire(
        None, doc="Which pods are preferred, such as near ones."
    )


class PortStatus(Model):
    port: Int32 = wire(0, required=True, zero="kept")
    protocol: str = wire("", required=True, zero="kept", enum=("SCTP", "TCP", "UDP"))
    error: str | None = None


class LoadBalancerIngress(Model):
    ip: str = ""
    hostname: str = ""
    ip_mode: str | None = None
    ports: list[PortStatus] = wire([], list_type="atomic")


class LoadBalancerStatus(Model):
    ingress: list[LoadBalancerIngress] = wire([], list_type="atomic")


class ServiceStatus(Model):
    load_balancer: LoadBalancerStatus = wire(struct=LoadBalancerStatus)
    conditions: list[Condition] = wire([], list_type="map", keys=("type",), merge_key="type")


class Service(TypedModel):
    GVK = GroupVersionKind("", "v1", "Service")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: ServiceSpec = wire(struct=ServiceSpec)
    status: ServiceStatus = wire(struct=ServiceStatus)
