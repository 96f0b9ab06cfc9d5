"""Ingresss."""

from __future__ import annotations

from wherry.api.core_v1.reference import TypedLocalObjectReference
from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, Model, TypedModel, wire


class ServiceBackendPort(Model):
    ATOMIC = True

    name: str = ""
    number: Int32 = 0


class IngressServiceBackend(Model):
    name: str = wire("", required=True, zero="kept")
    port: ServiceBackendPort = wire(struct=ServiceBackendPort)


class IngressBackend(Model):
    resource: TypedLocalObjectReference | None = wire(None, number="3")
    service: IngressServiceBackend | None = None


class HTTPIngressPath(Model):
    path: str = ""
    backend: IngressBackend = wire(struct=IngressBackend, required=True, zero="kept")
    path_type: str | None = wire(
        None, required=True, zero="kept", enum=("Exact", "ImplementationSpecific", "Prefix")
    )


class HTTPIngressRuleValue(Model):
    paths: list[HTTPIngressPath] = wire([], required=True, zero="kept", list_type="atomic")


class IngressRule(Model):
    host: str = ""
    http: HTTPIngressRuleValue | None = wire(None, number="2.1")


class IngressTLS(Model):
    hosts: list[str] = wire([], list_type="atomic")
    secret_name: str = ""


class IngressSpec(Model):
    default_backend: IngressBackend | None = None
    tls: list[IngressTLS] = wire([], list_type="atomic")
    rules: list[IngressRule] = wire([], list_type="atomic")
    ingress_class_name: str | None = None


class IngressPortStatus(Model):
    port: Int32 = wire(0, required=True, zero="kept")
    protocol: str = wire("", required=True, zero="kept", enum=("SCTP", "TCP", "UDP"))
    error: str | None = None


class IngressLoadBalancerIngress(Model):
    ip: str = ""
    hostname: str = ""
    ports: list[IngressPortStatus] = wire([], list_type="atomic", number="4")


class IngressLoadBalancerStatus(Model):
    ingress: list[IngressLoadBalancerIngress] = wire([], list_type="atomic")


class IngressStatus(Model):
    load_balancer: IngressLoadBalancerStatus = wire(struct=IngressLoadBalancerStatus)


class Ingress(TypedModel):
    GVK = GroupVersionKind("networking.k8s.io", "v1", "Ingress")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: IngressSpec = wire(struct=IngressSpec)
    status: IngressStatus = wire(struct=IngressStatus)
