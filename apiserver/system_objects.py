"""The objects an API server makes by itself, and keeps true. Pure functions of who it is and when.

Source: kubernetes/pkg/controlplane/controller/{systemnamespaces,kubernetesservice,legacytokentracking},
pkg/registry/flowcontrol/ensurer, and the identity Lease of k8s.io/apiserver.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from apiserver.registry.flowcontrol import bootstrap as flowcontrol
from wherry.api.model import format_micro_time, format_time, parse_time
from wherry.api.numerals import boolean
from wherry.api.patch import copy_tree
from wherry.api.scheme import BY_PLURAL, Resource

SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease", "default")
LEASE_SECONDS = 3600
# A server that has not renewed for so long is no endpoint any more.
STALE = timedelta(seconds=30)
IDENTITY_LABEL = "apiserver.kubernetes.io/identity"
ADDRESS_ANNOTATION = "wherry.io/advertise-address"
SERVICE_PORT = 443
TOKEN_TRACKING = "kube-apiserver-legacy-service-account-token-tracking"
DAY = "%Y-%m-%d"

NAMESPACES = BY_PLURAL["", "v1", "namespaces"]
SERVICES = BY_PLURAL["", "v1", "services"]
ENDPOINTS = BY_PLURAL["", "v1", "endpoints"]
CONFIG_MAPS = BY_PLURAL["", "v1", "configmaps"]
SLICES = BY_PLURAL["discovery.k8s.io", "v1", "endpointslices"]
LEASES = BY_PLURAL["coordination.k8s.io", "v1", "leases"]
FLOW_SCHEMAS = BY_PLURAL["flowcontrol.apiserver.k8s.io", "v1", "flowschemas"]
PRIORITY_LEVELS = BY_PLURAL["flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations"]
PRIORITY_CLASSES = BY_PLURAL["scheduling.k8s.io", "v1", "priorityclasses"]
SERVICE_CIDRS = BY_PLURAL["networking.k8s.io", "v1", "servicecidrs"]

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Identity:
    """This server. `address` is empty when others can't reach it."""

    hostname: str
    address: str
    port: int
    holder: str

    @property
    def lease_name(self) -> str:
        seed = f"{self.hostname} {self.address}:{self.port}".encode()
        return "apiserver-" + b32encode(hashlib.sha256(seed).digest()).decode().lower()[:26]


def object_of(resource: Resource, metadata: Tree, **rest: Any) -> Tree:
    head = {"kind": resource.kind, "apiVersion": resource.api_version}
    return {**head, "metadata": metadata, **rest}


def namespaces() -> list[Tree]:
    return [object_of(NAMESPACES, {"name": name}) for name in SYSTEM_NAMESPACES]


def priority_classes() -> list[Tree]:
    node = "Used for system critical pods that must not be moved from their current node."
    cluster = (
        "Used for system critical pods that must run in the cluster, but can be moved to another "
        "node if necessary."
    )
    values = (
        ("system-node-critical", 2_000_001_000, node),
        ("system-cluster-critical", 2_000_000_000, cluster),
    )
    return [
        object_of(PRIORITY_CLASSES, {"name": name}, value=value, description=words)
        for name, value, words in values
    ]


def priority_levels() -> list[Tree]:
    return [
        object_of(PRIORITY_LEVELS, _autoupdated(name), spec=copy_tree(spec))
        for name, spec in flowcontrol.PRIORITY_LEVELS.items()
    ]


def flow_schemas() -> list[Tree]:
    return [
        object_of(FLOW_SCHEMAS, _autoupdated(name), spec=copy_tree(spec))
        for name, spec in flowcontrol.FLOW_SCHEMAS.items()
    ]


def _autoupdated(name: str) -> Tree:
    return {"name": name, "annotations": {flowcontrol.AUTOUPDATE: "true"}}


def is_outdated(found: Mapping[str, Any], wanted: Tree) -> bool:
    """Whether a default of fairness is to be changed: its spec, or what it says of being kept."""
    follows = _follows(found)
    differs = follows and _spec_of(found, wanted) != found["spec"]
    return differs or _said(found) is not follows


def bring_up_to_date(found: Tree, wanted: Tree) -> None:
    """Give it the default's spec if it is to follow that, and say so on it."""
    follows = _follows(found)
    annotations = found["metadata"].setdefault("annotations", {})
    annotations[flowcontrol.AUTOUPDATE] = "true" if follows else "false"
    if follows:
        found["spec"] = _spec_of(found, wanted)


def _follows(found: Mapping[str, Any]) -> bool:
    """What is mandatory always does; the rest as annotated, else if nobody ever changed it."""
    metadata = found["metadata"]
    if metadata["name"] in flowcontrol.FIXED_PRIORITY_LEVELS:
        return True
    said = _said(found)
    return metadata.get("generation") == 1 if said is None else said


def _said(found: Mapping[str, Any]) -> bool | None:
    value = (found["metadata"].get("annotations") or {}).get(flowcontrol.AUTOUPDATE, "")
    return boolean(value)


def _spec_of(found: Mapping[str, Any], wanted: Tree) -> Tree:
    """The default's spec; how much the exempt level lends is the administrator's."""
    spec: Tree = copy_tree(wanted["spec"])
    if "exempt" in spec and "exempt" in found["spec"]:
        spec["exempt"] = copy_tree(found["spec"]["exempt"])
    return spec


def token_tracking(now: datetime) -> Tree:
    """Since when uses of old tokens are noted; without it nobody may call one unused."""
    metadata = {"name": TOKEN_TRACKING, "namespace": "kube-system"}
    return object_of(CONFIG_MAPS, metadata, data={"since": now.strftime(DAY)})


def says_since(found: Mapping[str, Any]) -> bool:
    """Whether the object of `token_tracking` still has its date."""
    try:
        datetime.strptime((found.get("data") or {}).get("since", ""), DAY)  # noqa: DTZ007  # a date
    except ValueError:
        return False
    return True


def level_found(schema: Mapping[str, Any], now: datetime) -> Tree:
    """The status of a FlowSchema whose priority level is there."""
    level = schema["spec"]["priorityLevelConfiguration"]["name"]
    words = "This FlowSchema references the PriorityLevelConfiguration object named"
    condition = {
        "type": "Dangling",
        "status": "False",
        "lastTransitionTime": format_time(now),
        "reason": "Found",
        "message": f'{words} "{level}" and it exists',
    }
    return {"conditions": [condition]}


def kubernetes_service(cluster_ip: str, target_port: int) -> Tree:
    metadata = {
        "name": "kubernetes",
        "namespace": "default",
        "labels": {"component": "apiserver", "provider": "kubernetes"},
    }
    port = {
        "name": "https", "protocol": "TCP", "port": SERVICE_PORT, "targetPort": target_port,
    }  # fmt: skip
    spec = {
        "ports": [port], "clusterIP": cluster_ip, "clusterIPs": [cluster_ip], "type": "ClusterIP",
        "sessionAffinity": "None",
    }  # fmt: skip
    return object_of(SERVICES, metadata, spec=spec)


def service_cidr(networks: Sequence[str]) -> Tree:
    """The networks of Services, as the flag gives them."""
    return object_of(SERVICE_CIDRS, {"name": "kubernetes"}, spec={"cidrs": list(networks)})


def service_cidr_status(now: datetime) -> Tree:
    ready = {
        "type": "Ready",
        "status": "True",
        "lastTransitionTime": format_time(now),
        "reason": "",
        "message": "Kubernetes default Service CIDR is ready",
    }
    return {"conditions": [ready]}


def endpoints(addresses: list[str], port: int) -> Tree:
    """The Endpoints of the service; without addresses they are empty."""
    metadata = {
        "name": "kubernetes",
        "namespace": "default",
        "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
    }
    tree = object_of(ENDPOINTS, metadata)
    if addresses:
        ports = [{"name": "https", "port": port, "protocol": "TCP"}]
        tree["subsets"] = [{"addresses": [{"ip": ip} for ip in addresses], "ports": ports}]
    return tree


def endpoint_slice(addresses: list[str], port: int) -> Tree:
    metadata = {
        "name": "kubernetes",
        "namespace": "default",
        "labels": {"kubernetes.io/service-name": "kubernetes"},
    }
    family = "IPv6" if addresses and ":" in addresses[0] else "IPv4"
    return object_of(
        SLICES,
        metadata,
        addressType=family,
        endpoints=[{"addresses": [ip], "conditions": {"ready": True}} for ip in addresses],
        ports=[{"name": "https", "port": port, "protocol": "TCP"}],
    )


def authentication_config(data: Mapping[str, str]) -> Tree:
    """What extension servers read to know whom to trust."""
    metadata = {"name": "extension-apiserver-authentication", "namespace": "kube-system"}
    tree = object_of(CONFIG_MAPS, metadata)
    if data:
        tree["data"] = dict(data)
    return tree


def lease(identity: Identity, now: datetime) -> Tree:
    metadata: Tree = {
        "name": identity.lease_name,
        "namespace": "kube-system",
        "labels": {
            IDENTITY_LABEL: "kube-apiserver",
            "kubernetes.io/hostname": identity.hostname,
        },
    }
    if identity.address:
        metadata["annotations"] = {ADDRESS_ANNOTATION: f"{identity.address}"}
    spec = {
        "holderIdentity": identity.holder,
        "leaseDurationSeconds": LEASE_SECONDS,
        "renewTime": format_micro_time(now),
    }
    return object_of(LEASES, metadata, spec=spec)


def expired(leases: Iterable[Mapping[str, Any]], now: datetime) -> list[str]:
    """The names of Leases that API servers left behind."""
    found = []
    for one in leases:
        metadata, spec = one["metadata"], one.get("spec", {})
        if metadata.get("labels", {}).get(IDENTITY_LABEL) != "kube-apiserver":
            continue
        renewed, seconds = spec.get("renewTime"), spec.get("leaseDurationSeconds", 0)
        if renewed is None or parse_time(renewed) + timedelta(seconds=seconds) < now:
            found.append(metadata["name"])
    return found


def live_addresses(leases: Iterable[Mapping[str, Any]], now: datetime) -> list[str]:
    """The addresses of API servers that renewed their Lease lately, sorted."""
    found = set()
    for one in leases:
        metadata = one["metadata"]
        if metadata.get("labels", {}).get(IDENTITY_LABEL) != "kube-apiserver":
            continue
        address = metadata.get("annotations", {}).get(ADDRESS_ANNOTATION)
        renewed = one.get("spec", {}).get("renewTime")
        if address and renewed and now - parse_time(renewed) <= STALE:
            found.add(address)
    return sorted(found)
