"""What the proxy reads of the objects it follows: their own small models.

Every node follows every Service, and every pod when there are NetworkPolicies. A whole Pod costs
20 KiB of memory; these cost one or two, and less time to decode. Names and meaning are the wire's.
"""

from __future__ import annotations

from wherry.api.core_v1.namespace import Namespace as WholeNamespace
from wherry.api.core_v1.pod import Pod as WholePod
from wherry.api.core_v1.service import Service as WholeService
from wherry.api.core_v1.service import SessionAffinityConfig
from wherry.api.discovery_v1.endpointslice import EndpointConditions, EndpointHints, EndpointPort
from wherry.api.discovery_v1.endpointslice import EndpointSlice as WholeSlice
from wherry.api.model import Int32, Model, TypedModel, wire


class Meta(Model):
    """creation_timestamp stays text: it is only compared."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}


class ServicePort(Model):
    name: str = ""
    protocol: str = ""
    port: Int32 = 0
    node_port: Int32 = 0


class ServiceSpec(Model):
    ports: list[ServicePort] = []
    cluster_ip: str = ""
    cluster_ips: list[str] = []
    type: str = ""
    external_ips: list[str] = []
    session_affinity: str = ""
    session_affinity_config: SessionAffinityConfig | None = None
    load_balancer_source_ranges: list[str] = []
    external_traffic_policy: str = ""
    internal_traffic_policy: str | None = None
    health_check_node_port: Int32 = 0


class Ingress(Model):
    ip: str = ""
    ip_mode: str | None = None


class LoadBalancer(Model):
    ingress: list[Ingress] = []


class ServiceStatus(Model):
    load_balancer: LoadBalancer = wire(struct=LoadBalancer)


class Service(TypedModel):
    GVK = WholeService.GVK

    metadata: Meta = wire(struct=Meta)
    spec: ServiceSpec = wire(struct=ServiceSpec)
    status: ServiceStatus = wire(struct=ServiceStatus)


class Endpoint(Model):
    addresses: list[str] = []
    conditions: EndpointConditions = wire(struct=EndpointConditions)
    node_name: str | None = None
    hints: EndpointHints | None = None


class SliceMeta(Meta):
    annotations: dict[str, str] = {}


class EndpointSlice(TypedModel):
    GVK = WholeSlice.GVK

    metadata: SliceMeta = wire(struct=SliceMeta)
    endpoints: list[Endpoint] = []
    ports: list[EndpointPort] = []
    address_type: str = ""


class ContainerPort(Model):
    name: str = ""
    container_port: Int32 = 0
    protocol: str = ""


class Container(Model):
    ports: list[ContainerPort] = []
    restart_policy: str | None = None


class PodSpec(Model):
    containers: list[Container] = []
    init_containers: list[Container] = []
    node_name: str = ""
    host_network: bool = False


class PodIP(Model):
    ip: str = ""


class PodCondition(Model):
    type: str = ""
    status: str = ""


class PodStatus(Model):
    phase: str = ""
    conditions: list[PodCondition] = []
    pod_ip: str = ""
    pod_ips: list[PodIP] = []


class Pod(TypedModel):
    GVK = WholePod.GVK

    metadata: Meta = wire(struct=Meta)
    spec: PodSpec = wire(struct=PodSpec)
    status: PodStatus = wire(struct=PodStatus)


class Namespace(TypedModel):
    GVK = WholeNamespace.GVK

    metadata: Meta = wire(struct=Meta)
