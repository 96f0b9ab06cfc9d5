"""What a Service's type means for its fields; carrying allocated values over an update.

Source: pkg/registry/core/service/{strategy,storage/storage}.go (needsClusterIP, patchAllocatedValues,
dropTypeDependentFields), pkg/api/service/util.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Spec = Mapping[str, Any]
Tree = dict[str, Any]

CLUSTER_IP: Final = "ClusterIP"
NODE_PORT: Final = "NodePort"
LOAD_BALANCER: Final = "LoadBalancer"
EXTERNAL_NAME: Final = "ExternalName"
HEADLESS: Final = "None"


def is_headless(spec: Spec) -> bool:
    return bool(spec.get("clusterIP") == HEADLESS or spec.get("clusterIPs", ())[:1] == [HEADLESS])


def needs_cluster_ip(spec: Spec) -> bool:
    return spec.get("type") in (CLUSTER_IP, NODE_PORT, LOAD_BALANCER)


def needs_node_ports(spec: Spec) -> bool:
    if spec.get("type") == LOAD_BALANCER:
        return spec.get("allocateLoadBalancerNodePorts") in (None, True)
    return spec.get("type") == NODE_PORT


def needs_health_port(spec: Spec) -> bool:
    return spec.get("type") == LOAD_BALANCER and spec.get("externalTrafficPolicy") == "Local"


def is_externally_accessible(spec: Spec) -> bool:
    return spec.get("type") in (LOAD_BALANCER, NODE_PORT) or (
        spec.get("type") == CLUSTER_IP and bool(spec.get("externalIPs"))
    )


def normalize_cluster_ips(spec: Tree, old: Spec | None) -> None:
    """Keep `clusterIP` and `clusterIPs` in step: whoever changed one meant both."""
    single, plural = spec.get("clusterIP", ""), spec.get("clusterIPs", [])
    if old is None:
        if single and not plural:
            spec["clusterIPs"] = [single]
        return
    if single and not plural:
        spec["clusterIPs"] = [single]
    elif single != old.get("clusterIP", "") and plural == old.get("clusterIPs", []):
        if single:
            spec["clusterIPs"] = [single]
        else:
            spec.pop("clusterIPs", None)


def keep_allocated(spec: Tree, old: Spec) -> None:
    """Fill what the server once chose and the client left out."""
    if needs_cluster_ip(old) and needs_cluster_ip(spec):
        if not spec.get("clusterIP") and old.get("clusterIP"):
            spec["clusterIP"] = old["clusterIP"]
        if not spec.get("clusterIPs") and spec.get("clusterIP") == old.get("clusterIP"):
            _copy(spec, old, "clusterIPs")
    if needs_node_ports(old) and needs_node_ports(spec):
        _keep_node_ports(spec, old)
    if needs_health_port(old) and needs_health_port(spec) and not spec.get("healthCheckNodePort"):
        _copy(spec, old, "healthCheckNodePort")


def _copy(spec: Tree, old: Spec, field: str) -> None:
    if old.get(field):
        spec[field] = old[field]


def _keep_node_ports(spec: Tree, old: Spec) -> None:
    used_now = {port["nodePort"] for port in spec.get("ports", ()) if port.get("nodePort")}
    used = used_now & {port["nodePort"] for port in old.get("ports", ()) if port.get("nodePort")}
    by_name = {port.get("name", ""): port.get("nodePort", 0) for port in old.get("ports", ())}
    for port in spec.get("ports", ()):
        kept = by_name.get(port.get("name", ""), 0)
        if not port.get("nodePort") and kept and kept not in used:
            port["nodePort"] = kept
            used.add(kept)


def drop_stale(spec: Tree, old: Spec) -> None:
    """Wipe what the old type needed and the new one may not have, if the client left it as it was."""
    if needs_cluster_ip(old) and not needs_cluster_ip(spec):
        if spec.get("clusterIPs") == old.get("clusterIPs"):
            for field in ("clusterIP", "clusterIPs"):
                spec.pop(field, None)
        _drop_same(spec, old, "ipFamilies", "ipFamilyPolicy")
    if needs_node_ports(old) and not needs_node_ports(spec):
        before = {port.get("nodePort", 0) for port in old.get("ports", ())}
        if {port.get("nodePort", 0) for port in spec.get("ports", ())} == before:
            for port in spec.get("ports", ()):
                port.pop("nodePort", None)
    if needs_health_port(old) and not needs_health_port(spec):
        _drop_same(spec, old, "healthCheckNodePort")
    if old.get("type") == LOAD_BALANCER and spec.get("type") != LOAD_BALANCER:
        _drop_same(spec, old, "allocateLoadBalancerNodePorts", "loadBalancerClass")
    if is_externally_accessible(old) and not is_externally_accessible(spec):
        _drop_same(spec, old, "externalTrafficPolicy")


def _drop_same(spec: Tree, old: Spec, *fields: str) -> None:
    for field in fields:
        if spec.get(field) == old.get(field):
            spec.pop(field, None)
