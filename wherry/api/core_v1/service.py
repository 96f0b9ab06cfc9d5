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
    port: Int32 = wire(0, required=True, zero="kept")
    target_port: IntOrString = wire(0, zero="kept")
    node_port: Int32 = 0
    app_protocol: str | None = None


class ServiceSpec(Model):
    ports: list[ServicePort] = wire(
        [], list_type="map", keys=("port", "protocol"), merge_key="port"
    )
    selector: dict[str, str] = wire({}, map_type="atomic")
    cluster_ip: str = ""
    type: str = wire(
        "",
        enum=("ClusterIP", "ExternalName", "LoadBalancer", "NodePort"),
    )
    external_ips: list[str] = wire([], list_type="atomic")
    session_affinity: str = wire("", enum=("ClientIP", "None"), number="7")
    load_balancer_ip: str = ""
    load_balancer_source_ranges: list[str] = wire([], list_type="atomic")
    external_name: str = ""
    external_traffic_policy: str = wire(
        "",
        enum=("Cluster", "Local"),
    )
    health_check_node_port: Int32 = 0
    publish_not_ready_addresses: bool = False
    session_affinity_config: SessionAffinityConfig | None = None
    ip_family_policy: str | None = wire(
        None,
        enum=("PreferDualStack", "RequireDualStack", "SingleStack"),
        number="17",
    )
    cluster_ips: list[str] = wire([], list_type="atomic")
    ip_families: list[str] = wire([], list_type="atomic")
    allocate_load_balancer_node_ports: bool | None = None
    load_balancer_class: str | None = None
    internal_traffic_policy: str | None = wire(None, enum=("Cluster", "Local"))
    traffic_distribution: str | None = None


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
