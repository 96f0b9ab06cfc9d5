"""Endpoint slices."""

from __future__ import annotations

from wherry.api.core_v1.reference import ObjectReference
from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, Model, TypedModel, wire


class EndpointConditions(Model):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class ForZone(Model):
    name: str = wire("", required=True, zero="kept")


class ForNode(Model):
    name: str = wire("", required=True, zero="kept")


class EndpointHints(Model):
    for_zones: list[ForZone] = wire([], list_type="atomic")
    for_nodes: list[ForNode] = wire([], list_type="atomic")


class Endpoint(Model):
    addresses: list[str] = wire([], required=True, zero="kept", list_type="set")
    conditions: EndpointConditions = wire(struct=EndpointConditions)
    hostname: str | None = None
    target_ref: ObjectReference | None = None
    deprecated_topology: dict[str, str] = {}
    node_name: str | None = None
    zone: str | None = None
    hints: EndpointHints | None = None


class EndpointPort(Model):
    ATOMIC = True

    name: str | None = None
    protocol: str | None = wire(None, enum=("SCTP", "TCP", "UDP"))
    port: Int32 | None = None
    app_protocol: str | None = None


class EndpointSlice(TypedModel):
    GVK = GroupVersionKind("discovery.k8s.io", "v1", "EndpointSlice")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    endpoints: list[Endpoint] = wire([], zero="kept", list_type="atomic")
    ports: list[EndpointPort] = wire([], zero="kept", list_type="atomic")
    address_type: str = wire("", required=True, zero="kept", enum=("FQDN", "IPv4", "IPv6"))
