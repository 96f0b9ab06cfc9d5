"""Services and slices for the tests of names."""

from __future__ import annotations

from typing import Any

from wherry.api.core_v1 import Service
from wherry.api.discovery_v1 import EndpointSlice


def service(name: str, cluster_ip: str = "", **spec: Any) -> Service:
    ports = spec.pop("ports", [{"name": "http", "port": 80, "protocol": "TCP"}])
    return Service.from_wire(
        {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"clusterIP": cluster_ip, "ports": ports, **spec},
        }
    )


def endpoint_slice(of: str, *endpoints: dict[str, Any], port: int = 8080) -> EndpointSlice:
    return EndpointSlice.from_wire(
        {
            "metadata": {
                "name": f"{of}-1",
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": of},
            },
            "addressType": "IPv4",
            "endpoints": list(endpoints),
            "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        }
    )


def endpoint(address: str, hostname: str = "", **conditions: bool) -> dict[str, Any]:
    named = {"hostname": hostname} if hostname else {}
    return {"addresses": [address], "conditions": conditions or {"ready": True}, **named}
