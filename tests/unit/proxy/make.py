"""Services, slices, pods and policies for the proxy's tests, said in few words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from proxy.compile import Compiled, compile_service
from proxy.endpoints import Place
from proxy.family import IP4, Family
from proxy.models import EndpointSlice, Pod, Service
from proxy.render import frame, render
from proxy.ruleset import Change, Ledger, Part
from tests.unit.proxy.tracer import Table
from wherry.api.networking_v1.networkpolicy import NetworkPolicy

NODE, STRANGER = "172.31.0.1", "192.0.2.9"
HERE, THERE = "10.244.0.2", "10.244.1.3"
PLACE = Place("n1", "z1", (NODE,))
NODE_PART = Part(
    elements={
        "pods": {"10.244.0.0/16": ""},
        "own_pods": {"10.244.0.0/24": ""},
        "node_port_addresses": {"0.0.0.0/0": ""},
    }
)


def service(name: str = "web", cluster_ip: str = "10.96.0.10", **spec: Any) -> Service:
    ports = spec.pop("ports", [{"name": "http", "port": 80, "protocol": "TCP"}])
    labels, ingress = spec.pop("labels", {}), spec.pop("ingress", [])
    return Service.from_wire(
        {
            "metadata": {
                "name": name,
                "namespace": spec.pop("namespace", "default"),
                "labels": labels,
                "creationTimestamp": spec.pop("created", "2026-01-01T00:00:00Z"),
            },
            "spec": {"clusterIP": cluster_ip, "ports": ports, **spec},
            "status": {"loadBalancer": {"ingress": ingress}},
        }
    )


def endpoint(
    address: str, node: str = "n1", hints: Mapping[str, Any] | None = None, **conditions: bool
) -> dict[str, Any]:
    found = {
        "addresses": [address],
        "nodeName": node,
        "conditions": conditions or {"ready": True},
    }
    return {**found, "hints": hints} if hints else found


def endpoint_slice(*endpoints: dict[str, Any], of: str = "web", **more: Any) -> EndpointSlice:
    return EndpointSlice.from_wire(
        {
            "metadata": {
                "name": f"{of}-1",
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": of},
            },
            "addressType": more.get("address_type", "IPv4"),
            "endpoints": list(endpoints),
            "ports": more.get("ports", [{"name": "http", "port": 8080, "protocol": "TCP"}]),
        }
    )


def pod(
    name: str,
    *addresses: str,
    namespace: str = "default",
    node: str = "n1",
    labels: Mapping[str, str] | None = None,
    ports: Iterable[tuple[str, int]] = (),
    **spec: Any,
) -> Pod:
    held = [{"name": n, "containerPort": number, "protocol": "TCP"} for n, number in ports]
    return Pod.from_wire(
        {
            "metadata": {"name": name, "namespace": namespace, "labels": dict(labels or {})},
            "spec": {"nodeName": node, "containers": [{"ports": held}], **spec},
            "status": {"phase": "Running", "podIPs": [{"ip": one} for one in addresses]},
        }
    )


def policy(name: str = "np", namespace: str = "default", **spec: Any) -> NetworkPolicy:
    return NetworkPolicy.from_wire(
        {
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"podSelector": {}, **spec},
        }
    )


def compiled(
    objects: Iterable[Service | EndpointSlice], place: Place = PLACE, family: Family = IP4
) -> dict[str, Compiled]:
    """Each Service's compilation, by owner."""
    objects = list(objects)
    slices = [one for one in objects if isinstance(one, EndpointSlice)]
    return {
        f"service {one.metadata.namespace}/{one.metadata.name}": compile_service(
            one, [s for s in slices if belongs(s, one)], place, family
        )
        for one in objects
        if isinstance(one, Service)
    }


def belongs(one: EndpointSlice, service: Service) -> bool:
    meta = service.metadata
    return (
        one.metadata.namespace == meta.namespace
        and one.metadata.labels["kubernetes.io/service-name"] == meta.name
    )


def parts(
    objects: Iterable[Service | EndpointSlice],
    place: Place = PLACE,
    family: Family = IP4,
    node: Part = NODE_PART,
) -> dict[str, Part]:
    found = {owner: one.part for owner, one in compiled(objects, place, family).items()}
    return {**found, "node": node}


def table(
    held: Mapping[str, Part],
    addresses: Iterable[str] = (NODE, "127.0.0.1"),
    family: Family = IP4,
) -> Table:
    """A table as a kernel would have it."""
    made = Table(frozenset(addresses))
    change: Change = Ledger().take_over(held)
    made.execute(frame(family) + render(change, family))
    return made
