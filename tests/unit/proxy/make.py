"""Services and slices for the proxy's tests, said in few words."""

from __future__ import annotations

from typing import Any

from wherry.api.core_v1 import Service
from wherry.api.discovery_v1 import EndpointSlice


def service(name: str = "web", cluster_ip: str = "10.96.0.10", **spec: Any) -> Service:
    ports = spec.pop("ports", [{"name": "http", "port": 80, "protocol": "TCP"}])
    return Service.from_wire(
        {
            "metadata": {"name": name, "namespace": "default", "labels": spec.pop("labels", {})},
            "spec": {"clusterIP": cluster_ip, "ports": ports, **spec},
            "status": {"loadBalancer": {"ingress": spec.pop("ingress", [])}},
        }
    )


def endpoint(address: str, node: str = "n1", **conditions: bool) -> dict[str, Any]:
    return {
        "addresses": [address],
        "nodeName": node,
        "conditions": conditions or {"ready": True},
    }


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
