"""Services.

Source: ValidateService of pkg/apis/core/validation.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Final

from apiserver.registry.core.service_fields import (
    EXTERNAL_NAME,
    HEADLESS,
    LOAD_BALANCER,
    NODE_PORT,
    is_externally_accessible,
    is_headless,
    needs_cluster_ip,
    needs_health_port,
)  # fmt: skip
from apiserver.registry.validation.ports import PROTOCOLS
from apiserver.registry.validation.probes import port_number_or_name
from apiserver.registry.validation.service_addresses import related_address_fields
from apiserver.registry.validation.words import invalids, ip, labels, parse_ip
from wherry.api import names
from wherry.api.errors import (
    FieldError,
    duplicate,
    forbidden_field,
    invalid,
    not_supported,
    required,
)  # fmt: skip

Tree = Mapping[str, Any]

TYPES: Final = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
AFFINITIES: Final = ("ClientIP", "None")
POLICIES: Final = ("Cluster", "Local")
DISTRIBUTIONS: Final = ("PreferClose", "PreferSameNode", "PreferSameZone")
KUBELET_PORT: Final = 10250
AFFINITY_SECONDS_MAX: Final = 86400
_EXTERNAL_NAME_ONLY: Final = "may not be set for ExternalName services"


def validate_service(tree: Tree) -> list[FieldError]:
    """What is wrong with a Service, in upstream's order."""
    spec = tree["spec"]
    ports, kind, headless = spec.get("ports", ()), spec.get("type", ""), is_headless(spec)
    errors: list[FieldError] = []
    if not ports and not headless and kind != EXTERNAL_NAME:
        errors.append(required("spec.ports"))
    errors += _typed(spec, headless)
    seen: set[str] = set()
    for index, port in enumerate(ports):
        errors += _port(port, f"spec.ports[{index}]", len(ports) > 1, seen)
    errors += labels(spec.get("selector", {}), "spec.selector")
    errors += _affinity(spec) + related_address_fields(spec)
    for index, address in enumerate(spec.get("externalIPs", ())):
        path = f"spec.externalIPs[{index}]"
        errors += ip(address, path) or _not_special(address, path)
    if kind not in TYPES:
        errors.append(not_supported("spec.type", kind, TYPES) if kind else required("spec.type"))
    errors += _port_collisions(ports, kind)
    return errors + _load_balancer(spec, kind) + _traffic(spec)


def _typed(spec: Tree, headless: bool) -> list[FieldError]:
    """What the type asks of other fields."""
    kind = spec.get("type")
    errors: list[FieldError] = []
    if kind == LOAD_BALANCER:
        for index, port in enumerate(spec.get("ports", ())):
            if port["port"] == KUBELET_PORT:
                detail = (
                    f"may not expose port {KUBELET_PORT} externally since it is used by kubelet"
                )
                errors.append(invalid(f"spec.ports[{index}]", KUBELET_PORT, detail))
    if kind in (LOAD_BALANCER, NODE_PORT) and headless:
        detail = f"may not be set to 'None' for {kind} services"
        errors.append(invalid("spec.clusterIPs[0]", HEADLESS, detail))
    if kind == EXTERNAL_NAME:
        errors += [
            forbidden_field(f"spec.{field}", _EXTERNAL_NAME_ONLY)
            for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy")
            if spec.get(field)
        ]
        name = spec.get("externalName", "").removesuffix(".")
        if name:
            errors += invalids("spec.externalName", name, names.dns1123_subdomain(name))
        else:
            errors.append(required("spec.externalName"))
    return errors


def _port(port: Tree, path: str, name_required: bool, seen: set[str]) -> list[FieldError]:
    name = port.get("name", "")
    errors: list[FieldError] = []
    if name:
        errors += invalids(f"{path}.name", name, names.dns1123_label(name))
        if name in seen:
            errors.append(duplicate(f"{path}.name", name))
        seen.add(name)
    elif name_required:
        errors.append(required(f"{path}.name"))
    errors += invalids(f"{path}.port", port["port"], names.port_number(port["port"]))
    protocol = port.get("protocol", "")
    if not protocol:
        errors.append(required(f"{path}.protocol"))
    elif protocol not in PROTOCOLS:
        errors.append(not_supported(f"{path}.protocol", protocol, PROTOCOLS))
    errors += port_number_or_name(port["targetPort"], f"{path}.targetPort")
    if (app := port.get("appProtocol")) is not None:
        errors += invalids(f"{path}.appProtocol", app, names.qualified_name(app))
    return errors


def _affinity(spec: Tree) -> list[FieldError]:
    affinity, config = spec.get("sessionAffinity", ""), spec.get("sessionAffinityConfig")
    path = "spec.sessionAffinityConfig"
    if not affinity:
        return [required("spec.sessionAffinity")]
    if affinity not in AFFINITIES:
        return [not_supported("spec.sessionAffinity", affinity, AFFINITIES)]
    if affinity == "None":
        detail = "must not be set when session affinity is None"
        return [forbidden_field(path, detail)] if config is not None else []
    seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds")
    if seconds is None:
        return [required(path, "when session affinity type is ClientIP")]
    if 0 < seconds <= AFFINITY_SECONDS_MAX:
        return []
    detail = f"must be greater than 0 and less than {AFFINITY_SECONDS_MAX}"
    return [invalid(f"{path}.clientIP.timeoutSeconds", seconds, detail)]


def _not_special(address: str, path: str) -> list[FieldError]:
    parsed = parse_ip(address)
    if parsed is None:
        return []
    problems = []
    if parsed.is_unspecified:
        problems.append("may not be unspecified (0.0.0.0 or ::)")
    if parsed.is_loopback:
        problems.append("may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if parsed.is_link_local:
        problems.append("may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    return invalids(path, address, problems)


def _port_collisions(ports: Sequence[Tree], kind: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if kind == "ClusterIP":
        detail = "may not be used when `type` is 'ClusterIP'"
        errors += [
            forbidden_field(f"spec.ports[{index}].nodePort", detail)
            for index, port in enumerate(ports)
            if port.get("nodePort")
        ]
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        if node := port.get("nodePort"):
            key = port.get("protocol", ""), node
            if key in seen:
                errors.append(duplicate(f"spec.ports[{index}].nodePort", node))
            seen.add(key)
    seen = set()
    for index, port in enumerate(ports):
        key = port.get("protocol", ""), port["port"]
        if key in seen:
            # Upstream prints its internal struct here.
            shown = {
                "Name": "", "Protocol": key[0], "AppProtocol": None, "Port": key[1],
                "TargetPort": 0, "NodePort": 0,
            }  # fmt: skip
            errors.append(duplicate(f"spec.ports[{index}]", shown))
        seen.add(key)
    return errors


def _load_balancer(spec: Tree, kind: str) -> list[FieldError]:
    """Fields that only a load balancer has."""
    errors: list[FieldError] = []
    for index, value in enumerate(spec.get("loadBalancerSourceRanges", ())):
        try:
            ipaddress.ip_network(value.strip(), strict=False)
            bad = "/" not in value
        except ValueError:
            bad = True
        if bad:
            detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            errors.append(invalid(f"spec.loadBalancerSourceRanges[{index}]", value, detail))
    if kind == LOAD_BALANCER:
        if spec.get("allocateLoadBalancerNodePorts") is None:
            errors.append(required("spec.allocateLoadBalancerNodePorts"))
        if (name := spec.get("loadBalancerClass")) is not None:
            errors += invalids("spec.loadBalancerClass", name, names.qualified_name(name))
        return errors
    detail = "may only be used when `type` is 'LoadBalancer'"
    if spec.get("loadBalancerSourceRanges"):
        errors.append(forbidden_field("spec.LoadBalancerSourceRanges", detail))
    return errors + [
        forbidden_field(f"spec.{field}", detail)
        for field in ("allocateLoadBalancerNodePorts", "loadBalancerClass")
        if spec.get(field) is not None
    ]


def _traffic(spec: Tree) -> list[FieldError]:
    """Traffic policies and distribution."""
    policy, health = spec.get("externalTrafficPolicy", ""), spec.get("healthCheckNodePort", 0)
    path = "spec.externalTrafficPolicy"
    errors: list[FieldError] = []
    if not is_externally_accessible(spec):
        if policy:
            detail = "may only be set for externally-accessible services"
            errors.append(invalid(path, policy, detail))
    elif policy not in POLICIES:
        errors.append(not_supported(path, policy, POLICIES) if policy else required(path))
    path = "spec.healthCheckNodePort"
    if needs_health_port(spec):
        errors += invalids(path, health, names.port_number(health)) if health else [required(path)]
    elif health:
        detail = (
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        )
        errors.append(invalid(path, health, detail))
    internal, path = spec.get("internalTrafficPolicy"), "spec.internalTrafficPolicy"
    if internal is None:
        if needs_cluster_ip(spec):
            errors.append(required(path))
    elif internal not in POLICIES:
        errors.append(not_supported(path, internal, POLICIES))
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in DISTRIBUTIONS:
        errors.append(not_supported("spec.trafficDistribution", distribution, DISTRIBUTIONS))
    return errors
