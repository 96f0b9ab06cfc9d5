"""Endpoints, the older form of EndpointSlices."""

from __future__ import annotations

from wherry.api.core_v1.reference import ObjectReference
from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, Model, TypedModel, wire


class EndpointAddress(Model):
    ATOMIC = True

    ip: str = wire("", required=True, zero="kept")
    target_ref: ObjectReference | None = None
    hostname: str = ""
    node_name: str | None = None


class EndpointPort(Model):
    ATOMIC = True

    name: str = ""
    port: Int32 = wire(0, required=True, zero="kept")
    protocol: str = wire("", enum=("SCTP", "TCP", "UDP"))
    app_protocol: str | None = None


class EndpointSubset(Model):
    addresses: list[EndpointAddress] = wire([], list_type="atomic")
    not_ready_addresses: list[EndpointAddress] = wire([], list_type="atomic")
    ports: list[EndpointPort] = wire([], list_type="atomic")


class Endpoints(TypedModel):
    GVK = GroupVersionKind("", "v1", "Endpoints")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    subsets: list[EndpointSubset] = wire([], list_type="atomic")
