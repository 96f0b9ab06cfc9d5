"""Services: defaults, allocation, rules.

Source: pkg/registry/core/service/strategy.go, pkg/apis/core/v1/defaults.go (SetDefaults_Service).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.core.service_allocation import ServiceAllocator
from apiserver.registry.core.service_allocator import AddressRange, Network, PortRange
from apiserver.registry.core.service_fields import (
    EXTERNAL_NAME,
    HEADLESS,
    LOAD_BALANCER,
    drop_stale,
    is_externally_accessible,
    keep_allocated,
    needs_cluster_ip,
    normalize_cluster_ips,
)  # fmt: skip
from apiserver.registry.core.service_printer import COLUMNS, service_row
from apiserver.registry.strategy import Strategy, Tree
from apiserver.registry.validation.metadata import label_name
from apiserver.registry.validation.ports import TCP
from apiserver.registry.validation.service import validate_service
from apiserver.registry.validation.service_addresses import related_address_fields
from apiserver.registry.validation.service_update import (
    validate_service_status,
    validate_service_update,
)
from wherry.api.core_v1 import Service
from wherry.api.errors import FieldError, invalid_object
from wherry.api.scheme import resource_of

AFFINITY_SECONDS: Final = 10800
DEFAULT_NETWORKS: Final[tuple[Network, ...]] = (ipaddress.ip_network("10.0.0.0/24"),)
DEFAULT_NODE_PORTS: Final = (30000, 32767)


class ServiceStrategy(Strategy):
    """A Service's address is chosen once; its node ports follow its ports' names."""

    resource = resource_of(Service)
    allow_create_on_update = True
    allocates = True
    columns = COLUMNS

    def __init__(
        self,
        networks: Sequence[Network] = DEFAULT_NETWORKS,
        node_ports: tuple[int, int] = DEFAULT_NODE_PORTS,
        cidrs: Callable[[], Iterable[Mapping[str, Any]]] = tuple,
    ) -> None:
        ranges = [AddressRange(network) for network in networks]
        self.allocator = ServiceAllocator(ranges, PortRange(*node_ports), cidrs)

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return label_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        spec = tree["spec"]
        spec.setdefault("type", "ClusterIP")
        _session_affinity(spec)
        for port in spec.get("ports", ()):
            port.setdefault("protocol", TCP)
            if port["targetPort"] in (0, ""):
                port["targetPort"] = port["port"]
        if is_externally_accessible(spec):
            spec.setdefault("externalTrafficPolicy", "Cluster")
        if needs_cluster_ip(spec):
            spec.setdefault("internalTrafficPolicy", "Cluster")
        if spec["type"] == LOAD_BALANCER:
            spec.setdefault("allocateLoadBalancerNodePorts", True)
            for ingress in tree["status"]["loadBalancer"].get("ingress", ()):
                if ingress.get("ip"):
                    ingress.setdefault("ipMode", "VIP")

    def allocate(
        self,
        tree: Tree,
        old: Mapping[str, Any] | None,
        others: Callable[[], Iterable[Mapping[str, Any]]],
    ) -> None:
        spec, before = tree["spec"], old["spec"] if old else None
        if before is not None:
            keep_allocated(spec, before)
        normalize_cluster_ips(spec, before)
        if errors := related_address_fields(spec):
            raise invalid_object("", "Service", tree["metadata"].get("name", ""), errors)
        self.allocator.set_families(tree, old)
        if before is not None and _same_wishes(spec, before):
            return
        self.allocator.allocate(tree, old, others())

    def prepare_for_create(self, tree: Tree) -> None:
        tree["status"] = {"loadBalancer": {}}

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["status"] = dict(old["status"])
        drop_stale(tree["spec"], old["spec"])

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["spec"] = dict(old["spec"])

    def validate(self, tree: Tree) -> list[FieldError]:
        return validate_service(tree)

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return validate_service_update(tree, old)

    def validate_status_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return validate_service_status(tree)

    def warnings(self, tree: Tree, old: Mapping[str, Any] | None) -> list[str]:
        spec = tree["spec"]
        headless = HEADLESS in (spec.get("clusterIP"), *spec.get("clusterIPs", ()))
        if headless and spec.get("sessionAffinity") == "ClientIP":
            return ["spec.SessionAffinity is ignored for headless services"]
        return []

    def selectable_fields(self, tree: Mapping[str, Any]) -> dict[str, str]:
        spec = tree["spec"]
        return {"spec.clusterIP": spec.get("clusterIP", ""), "spec.type": spec.get("type", "")}

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        return service_row(tree, now)


def _session_affinity(spec: Tree) -> None:
    affinity = spec.setdefault("sessionAffinity", "None")
    if affinity == "None":
        spec.pop("sessionAffinityConfig", None)
    elif affinity == "ClientIP":
        config = spec.get("sessionAffinityConfig") or {}
        client = config.get("clientIP") or {}
        if client.get("timeoutSeconds") is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": AFFINITY_SECONDS}}


def _same_wishes(spec: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether an update leaves everything that is allocated as it was."""
    fields = (
        "type", "clusterIP", "clusterIPs", "ipFamilies", "ports", "healthCheckNodePort",
        "externalTrafficPolicy", "allocateLoadBalancerNodePorts",
    )  # fmt: skip
    same = all(spec.get(field) == before.get(field) for field in fields)
    return same or spec.get("type") == EXTERNAL_NAME
