"""What an API server makes by itself when it starts, and keeps true while it runs.

Namespaces, the system priority classes, the Service `default/kubernetes` with its endpoints, the
ConfigMap by which extension servers learn whom to trust, and this server's Lease. Several servers may
run: each renews its own Lease, and the endpoints are the addresses of those whose Lease is fresh.

Objects that exist are left as they are; only endpoints and that ConfigMap follow reality.
Source: kubernetes/pkg/controlplane/controller/{systemnamespaces,kubernetesservice}, apiserverleasegc.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from base64 import b32encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from apiserver.registry.store import Registry
from apiserver.request import RequestContext, RequestInfo, User
from wherry.api.errors import ApiError
from wherry.api.model import format_micro_time, parse_time
from wherry.api.scheme import BY_PLURAL, Resource
from wherry.daemon.backoff import Backoff
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

USER = User("system:apiserver", groups=("system:masters", "system:authenticated"))
USER_AGENT = "kube-apiserver"
SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease", "default")
LEASE_SECONDS = 3600
RENEW_SECONDS = 10.0
# A server that has not renewed for so long is no endpoint any more.
STALE = timedelta(seconds=30)
IDENTITY_LABEL = "apiserver.kubernetes.io/identity"
ADDRESS_ANNOTATION = "wherry.io/advertise-address"
SERVICE_PORT = 443

NAMESPACES = BY_PLURAL["", "v1", "namespaces"]
SERVICES = BY_PLURAL["", "v1", "services"]
ENDPOINTS = BY_PLURAL["", "v1", "endpoints"]
CONFIG_MAPS = BY_PLURAL["", "v1", "configmaps"]
SLICES = BY_PLURAL["discovery.k8s.io", "v1", "endpointslices"]
LEASES = BY_PLURAL["coordination.k8s.io", "v1", "leases"]
PRIORITY_CLASSES = BY_PLURAL["scheduling.k8s.io", "v1", "priorityclasses"]

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


def authentication_config(client_ca: str) -> Tree:
    metadata = {"name": "extension-apiserver-authentication", "namespace": "kube-system"}
    tree = object_of(CONFIG_MAPS, metadata)
    if client_ca:
        tree["data"] = {"client-ca-file": client_ca}
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


class Bootstrap:
    """Makes it all, then keeps Lease and endpoints true."""

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        identity: Identity,
        *,
        service_ip: str,
        client_ca: str,
    ) -> None:
        self.done = asyncio.Event()
        self._registry = registry
        self._clock = clock
        self._identity = identity
        self._service_ip = service_ip
        self._client_ca = client_ca

    async def run(self, on_done: Callable[[], None]) -> None:
        """Run for ever. What fails is tried again: the store may be away for a while."""
        await self._registry.cache.ready.wait()
        backoff = Backoff(initial=0.1, maximum=5.0)
        while not self.done.is_set():
            try:
                await self._make_all()
            except ApiError as error:
                log.warning("making the system's objects: %s", error)
                await self._clock.sleep(backoff.next())
                continue
            self.done.set()
            on_done()
        while True:
            await self._clock.sleep(RENEW_SECONDS)
            try:
                await self._renew()
            except ApiError as error:
                log.warning("renewing this server's lease: %s", error)

    async def _make_all(self) -> None:
        if not self._identity.address:
            log.warning(
                "this machine has no address but loopback: endpoints default/kubernetes stay "
                "empty; give --advertise-address to fill them"
            )
        for tree in namespaces():
            await self._ensure(NAMESPACES, tree)
        for tree in priority_classes():
            await self._ensure(PRIORITY_CLASSES, tree)
        service = kubernetes_service(self._service_ip, self._identity.port)
        await self._ensure(SERVICES, service)
        await self._follow(CONFIG_MAPS, authentication_config(self._client_ca), ("data",))
        await self._renew()

    async def _renew(self) -> None:
        now = self._clock.now()
        await self._follow(LEASES, lease(self._identity, now), ("spec",))
        await self._registry.fresh()
        cache = self._registry.cache
        addresses = live_addresses(cache.lister().list(LEASES, "kube-system"), now)
        port = self._identity.port
        await self._follow(ENDPOINTS, endpoints(addresses, port), ("subsets",))
        await self._follow(SLICES, endpoint_slice(addresses, port), ("endpoints", "ports"))

    async def _ensure(self, resource: Resource, tree: Tree) -> bool:
        """Make the object unless it is there; whether it was made."""
        metadata = tree["metadata"]
        lister = self._registry.cache.lister()
        if lister.get(resource, metadata.get("namespace", ""), metadata["name"]) is not None:
            return False
        try:
            await self._registry.create(resource, tree, self._context("create", resource))
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            return False
        return True

    async def _follow(self, resource: Resource, tree: Tree, fields: tuple[str, ...]) -> None:
        """Make the object, or set these of its fields."""
        if await self._ensure(resource, tree):
            return
        metadata = tree["metadata"]

        def set_fields(found: Tree) -> None:
            for field in fields:
                if field in tree:
                    found[field] = tree[field]
                else:
                    found.pop(field, None)

        await self._registry.update(
            resource,
            metadata["namespace"],
            metadata["name"],
            set_fields,
            self._context("update", resource),
        )

    def _context(self, verb: str, resource: Resource) -> RequestContext:
        return RequestContext(
            info=RequestInfo(verb, "", resource),
            user=USER,
            query={},
            accept="",
            content_type="",
            user_agent=USER_AGENT,
            now=self._clock.now(),
        )
