"""Pod specs, of pods and of templates.

Source: ValidatePodSpec of pkg/apis/core/validation. Windows-only rules and dynamic resource
allocation are left out: nothing here runs them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from apiserver.registry.validation.affinity import (
    validate_affinity,
    validate_spreading,
    validate_tolerations,
)
from apiserver.registry.validation.container import (
    validate_containers,
    validate_ephemeral_containers,
    validate_init_containers,
)
from apiserver.registry.validation.pod_os import validate_host_users, validate_os
from apiserver.registry.validation.resources import validate_resources
from apiserver.registry.validation.security import validate_pod_security
from apiserver.registry.validation.volumes import validate_volumes
from apiserver.registry.validation.words import each, invalids, ip, labels, unsupported
from wherry.api import names
from wherry.api.errors import FieldError, duplicate, forbidden_field, invalid, required

Tree = Mapping[str, Any]

RESTART_POLICIES: Final = ("Always", "OnFailure", "Never")
DNS_POLICIES: Final = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
PREEMPTION_POLICIES: Final = ("PreemptLowerPriority", "Never")
NAMESERVERS_MAX: Final = 3
SEARCHES_MAX: Final = 32
SEARCH_LENGTH_MAX: Final = 2048
DEADLINE_MAX: Final = 2**31 - 1
HOSTNAME_OVERRIDE_MAX: Final = 64
_SYSTEMS: Final = ("linux", "windows")


def validate_pod_spec(spec: Tree, path: str) -> list[FieldError]:
    """What is wrong with a pod spec, in upstream's order."""
    volumes, errors = validate_volumes(spec.get("volumes", ()), f"{path}.volumes")
    errors += validate_containers(spec, volumes, path)
    if "initContainers" in spec:
        errors += validate_init_containers(spec, volumes, path)
    if "ephemeralContainers" in spec:
        errors += validate_ephemeral_containers(spec, volumes, path)
    if resources := spec.get("resources"):
        errors += validate_resources(resources, f"{path}.resources")
    if spec.get("hostNetwork"):
        errors += _host_network_ports(spec, path)
    errors += validate_host_users(spec, path)
    errors += _choice(spec, "restartPolicy", RESTART_POLICIES, path)
    errors += _choice(spec, "dnsPolicy", DNS_POLICIES, path)
    errors += labels(spec.get("nodeSelector", {}), f"{path}.nodeSelector")
    errors += validate_pod_security(spec, path)
    errors += validate_affinity(spec.get("affinity"), f"{path}.affinity")
    errors += _dns(spec, f"{path}.dnsConfig")
    if "readinessGates" in spec or "schedulingGates" in spec:
        errors += _gates(spec, path)
    constraints = spec.get("topologySpreadConstraints", ())
    errors += validate_spreading(constraints, f"{path}.topologySpreadConstraints")
    return errors + _scalars(spec, path)


def _choice(spec: Tree, field: str, supported: Sequence[str], path: str) -> list[FieldError]:
    value = spec.get(field, "")
    if value in supported:
        return []
    at = f"{path}.{field}"
    return [unsupported(at, value, supported) if value else required(at)]


def _host_network_ports(spec: Tree, path: str) -> list[FieldError]:
    detail = "must match `hostPort` when `hostNetwork` is true"
    errors: list[FieldError] = []
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            for place, port in enumerate(container.get("ports", ())):
                number, host = port["containerPort"], port.get("hostPort", 0)
                if host and host != number:
                    at = f"{path}.{field}[{index}].ports[{place}].containerPort"
                    errors.append(invalid(at, number, detail))
    return errors


def _dns(spec: Tree, path: str) -> list[FieldError]:
    config = spec.get("dnsConfig")
    bare = spec.get("dnsPolicy") == "None"
    if config is None:
        detail = "must provide `dnsConfig` when `dnsPolicy` is None"
        return [required(path, detail)] if bare else []
    servers, searches = config.get("nameservers", ()), config.get("searches", ())
    errors: list[FieldError] = []
    if bare and not servers:
        detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        return [required(f"{path}.nameservers", detail)]
    if len(servers) > NAMESERVERS_MAX:
        detail = f"must not have more than {NAMESERVERS_MAX} nameservers"
        errors.append(invalid(f"{path}.nameservers", list(servers), detail))
    for index, server in enumerate(servers):
        errors += ip(server, f"{path}.nameservers[{index}]")
    if len(searches) > SEARCHES_MAX:
        detail = f"must not have more than {SEARCHES_MAX} search paths"
        errors.append(invalid(f"{path}.searches", list(searches), detail))
    if len(" ".join(searches)) > SEARCH_LENGTH_MAX:
        detail = f"must not have more than {SEARCH_LENGTH_MAX} characters (including spaces) in the search list"
        errors.append(invalid(f"{path}.searches", list(searches), detail))
    for index, search in enumerate(searches):
        bare_search = search.removesuffix(".")
        problems = names.dns1123_subdomain(bare_search.replace("_", "a")) if search != "." else []
        errors += invalids(f"{path}.searches[{index}]", search, problems)
    return errors + [
        required(f"{path}.options[{index}]", "must not be empty")
        for index, option in enumerate(config.get("options", ()))
        if not option.get("name")
    ]


def _gates(spec: Tree, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, gate in enumerate(spec.get("readinessGates", ())):
        at, name = f"{path}.readinessGates[{index}].conditionType", gate["conditionType"]
        errors += invalids(at, name, names.qualified_name(name))
    seen: set[str] = set()
    for index, gate in enumerate(spec.get("schedulingGates", ())):
        at, name = f"{path}.schedulingGates[{index}]", gate["name"]
        errors += invalids(f"{at}.name", name, names.qualified_name(name))
        if name in seen:
            errors.append(duplicate(at, name))
        seen.add(name)
    return errors


def _scalars(spec: Tree, path: str) -> list[FieldError]:
    """Names, deadlines and the other small fields."""
    errors: list[FieldError] = []
    for field, check in _NAMED.items():
        if value := spec.get(field):
            errors += invalids(f"{path}.{field}", value, check(value))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= DEADLINE_MAX:
        detail = f"must be between 1 and {DEADLINE_MAX}, inclusive"
        errors.append(invalid(f"{path}.activeDeadlineSeconds", deadline, detail))
    errors += validate_tolerations(spec.get("tolerations", ()), f"{path}.tolerations")
    errors += each(spec.get("hostAliases", ()), f"{path}.hostAliases", _host_alias)
    policy = spec.get("preemptionPolicy")
    if policy is not None and policy not in PREEMPTION_POLICIES:
        errors.append(unsupported(f"{path}.preemptionPolicy", policy, PREEMPTION_POLICIES))
    if overhead := spec.get("overhead"):
        errors += validate_resources({"limits": overhead}, f"{path}.overhead")
    return errors + _system(spec, path) + _hostname_override(spec, path)


_NAMED: Final = {
    "serviceAccountName": names.dns1123_subdomain,
    "nodeName": names.dns1123_subdomain,
    "hostname": names.dns1123_label,
    "subdomain": names.dns1123_label,
    "priorityClassName": names.dns1123_subdomain,
    "runtimeClassName": names.dns1123_subdomain,
}


def _host_alias(alias: Tree, path: str) -> list[FieldError]:
    return ip(alias["ip"], f"{path}.ip") + each(
        alias.get("hostnames", ()),
        f"{path}.hostnames",
        lambda name, at: invalids(at, name, names.dns1123_subdomain(name)),
    )


def _system(spec: Tree, path: str) -> list[FieldError]:
    system = spec.get("os")
    if system is None:
        return []
    name = system["name"]
    if not name:
        return [required(f"{path}.os.name")]
    if name not in _SYSTEMS:
        return [unsupported(f"{path}.os", name, _SYSTEMS)]
    return validate_os(spec, path)


def _hostname_override(spec: Tree, path: str) -> list[FieldError]:
    name = spec.get("hostnameOverride")
    if name is None:
        return []
    at = f"{path}.hostnameOverride"
    errors = invalids(at, name, names.dns1123_subdomain(name))
    if len(name) > HOSTNAME_OVERRIDE_MAX:
        detail = f"must be no more than {HOSTNAME_OVERRIDE_MAX} characters"
        errors.append(invalid(at, name, detail))
    if spec.get("hostNetwork"):
        detail = "cannot be set when `hostNetwork` is true"
        errors.append(forbidden_field(at, detail))
    return errors
