"""Which parts of the node's table a change of the cluster touches, and what these parts are now.

Informers' handlers note who changed; `take` hands out whose parts are to be compiled anew. So the
work is as large as the change. No I/O.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from proxy.compile import SERVICE_NAME_LABEL, Compiled, compile_service, is_ours
from proxy.endpoints import Place, ready_here
from proxy.family import Family
from proxy.models import EndpointSlice, Namespace, Pod, Service
from proxy.policy import Policies, compile_policy
from proxy.ruleset import NOTHING, Part
from wherry.api.core_v1 import Node
from wherry.api.model import parse_time
from wherry.api.networking_v1.networkpolicy import NetworkPolicy
from wherry.api.networking_v1.servicecidr import ServiceCIDR
from wherry.client.informer import Informer
from wherry.client.store import key_of, split_key

log = logging.getLogger(__name__)

ZONE_LABEL: Final = "topology.kubernetes.io/zone"
BY_SERVICE: Final = "service"
PRIMARY: Final = "primary"  # of --nodeport-addresses: the node's own addresses
NODE_OWNER: Final = "node"
TRIGGER_TIME: Final = "endpoints.kubernetes.io/last-change-trigger-time"


@dataclass(frozen=True, slots=True)
class World:
    """What the proxy follows. Pods and namespaces only while there are policies."""

    services: Informer[Service]
    slices: Informer[EndpointSlice]
    nodes: Informer[Node]
    service_cidrs: Informer[ServiceCIDR]
    policies: Informer[NetworkPolicy]
    pods: Informer[Pod]
    namespaces: Informer[Namespace]


@dataclass(frozen=True, slots=True)
class Settings:
    """node: this node's name. cluster_cidrs: the pods' ranges, else those of the nodes.
    node_port_addresses: ranges or PRIMARY; none = all of the node's addresses."""

    node: str
    cluster_cidrs: tuple[str, ...] = ()
    node_port_addresses: tuple[str, ...] = ()
    masquerade_all: bool = False


@dataclass(slots=True)
class Todo:
    """Whose parts are to be compiled. Keys are `namespace/name`.

    triggers: family of slices → the moments of the changes that led to them
    """

    services: set[str] = field(default_factory=set)
    pods: set[str] = field(default_factory=set)
    node: bool = False
    triggers: dict[str, list[datetime]] = field(default_factory=dict)


def service_of(one: EndpointSlice) -> Iterable[str]:
    name = one.metadata.labels.get(SERVICE_NAME_LABEL, "")
    return (f"{one.metadata.namespace}/{name}",) if name else ()


class Tracker:
    """Remembers who changed. `notice` is told the kind of each change that matters here."""

    def __init__(self, world: World, settings: Settings, notice: Callable[[str], None]) -> None:
        self._world = world
        self._settings = settings
        self._notice = notice
        self._policies = Policies()
        self._todo = Todo(node=True)
        self._place = Place(settings.node, masquerade_all=settings.masquerade_all)
        world.services.add_handler(self._on_service)
        world.slices.add_handler(self._on_slice)
        world.nodes.add_handler(self._on_node)
        world.service_cidrs.add_handler(self._on_service_cidr)
        world.policies.add_handler(self._on_policy)
        world.pods.add_handler(self._on_pod)
        world.namespaces.add_handler(self._on_namespace)

    # -- what changed

    def _on_service(self, before: Service | None, after: Service | None) -> None:
        changed = after or before
        if changed is not None and _content(before) != _content(after):
            self._todo.services.add(key_of(changed))
            self._notice("service")

    def _on_slice(self, before: EndpointSlice | None, after: EndpointSlice | None) -> None:
        keys = {key for one in (before, after) if one is not None for key in service_of(one)}
        if not keys:
            return
        self._todo.services |= keys
        if after is not None and (text := _trigger(after)) != _trigger(before):
            try:
                moment = parse_time(text)
            except ValueError:
                log.debug("%s: no time: %r", key_of(after), text)
            else:
                self._todo.triggers.setdefault(after.address_type, []).append(moment)
        self._notice("endpoint")

    def _on_node(self, before: Node | None, after: Node | None) -> None:
        # Nodes report every few seconds; what matters here hardly ever changes.
        if _of_node(before) != _of_node(after):
            self._todo.node = True
            self._notice("node")

    def _on_service_cidr(self, before: ServiceCIDR | None, after: ServiceCIDR | None) -> None:
        self._todo.node = True
        self._notice("node")

    def _on_policy(self, before: NetworkPolicy | None, after: NetworkPolicy | None) -> None:
        changed = after or before
        if changed is None or (before and after and before.spec == after.spec):
            return
        meta = changed.metadata
        try:
            compiled = compile_policy(after) if after is not None else None
        except ValueError as error:
            log.warning("NetworkPolicy %s is ignored: %s", key_of(changed), error)
            compiled = None
        everywhere = self._policies.replace(meta.namespace, meta.name, compiled)
        pods = self._world.pods.list("" if everywhere else meta.namespace)
        self._todo.pods.update(map(key_of, pods))
        self._notice("policy")

    def _on_pod(self, before: Pod | None, after: Pod | None) -> None:
        changed = after or before
        if changed is not None and _content(before) != _content(after):
            self._todo.pods.add(key_of(changed))
            self._notice("pod")

    def _on_namespace(self, before: Namespace | None, after: Namespace | None) -> None:
        if after is None or (before and before.metadata.labels == after.metadata.labels):
            return
        self._todo.pods.update(map(key_of, self._world.pods.list(after.metadata.name)))
        self._notice("namespace")

    # -- what is to be done

    @property
    def has_policies(self) -> bool:
        return bool(self._policies)

    @property
    def follows_pods(self) -> bool:
        return self._world.pods.has_synced and self._world.namespaces.has_synced

    def take(self) -> Todo:
        """What changed since the last time. A node that moved concerns all Services."""
        todo, self._todo = self._todo, Todo()
        if todo.node:
            place = self._find_place()
            if place != self._place:
                self._place = place
                todo.services.update(map(key_of, self._world.services.list()))
            mine = (one for one in self._world.pods.list() if one.spec.node_name == place.node)
            todo.pods.update(map(key_of, mine))
        if not self.follows_pods:  # each will be told of when they are known
            todo.pods.clear()
        return todo

    def everything(self) -> Todo:
        """As if all had changed."""
        pods = self._world.pods.list() if self.follows_pods else []
        services = set(map(key_of, self._world.services.list()))
        return Todo(services, set(map(key_of, pods)), True)

    def _find_place(self) -> Place:
        me = self._world.nodes.get("", self._settings.node)
        if me is None:
            return replace(self._place, zone="", addresses=())
        zone = me.metadata.labels.get(ZONE_LABEL, "")
        return replace(self._place, zone=zone, addresses=_addresses(me))

    # -- the parts

    def service(self, key: str, family: Family) -> Compiled:
        """What a Service stands for here; nothing when there is none."""
        service = self._world.services.get(*split_key(key))
        if service is None:
            return Compiled()
        return compile_service(service, self.slices(key), self._place, family)

    def slices(self, key: str) -> list[EndpointSlice]:
        return self._world.slices.by_index(BY_SERVICE, key)

    def pod(self, key: str, family: Family) -> Part:
        pod = self._world.pods.get(*split_key(key))
        if pod is None:
            return NOTHING
        namespace = self._world.namespaces.get("", pod.metadata.namespace)
        labels: Mapping[str, str] = namespace.metadata.labels if namespace else {}
        here = pod.spec.node_name == self._settings.node
        own = family.ranges(self._own_ranges()) if here else ()
        return self._policies.part(pod, labels, family, here=here, own=own)

    def _own_ranges(self) -> tuple[str, ...]:
        me = self._world.nodes.get("", self._settings.node)
        return pod_ranges([me]) if me else ()

    def node(self, family: Family) -> Part:
        """The ranges that the frame's rules speak of."""
        own = self._own_ranges()
        pods = (*self._settings.cluster_cidrs, *own)
        if not self._settings.cluster_cidrs:
            pods = pod_ranges(self._world.nodes.list())
        ports = self._settings.node_port_addresses or (family.everything,)
        if PRIMARY in ports:
            ports = (*(one for one in ports if one != PRIMARY), *self._place.addresses)
        services = [cidr for one in self._world.service_cidrs.list() for cidr in one.spec.cidrs]
        ranges = {
            "pods": pods,
            "own_pods": own,
            "node_port_addresses": ports,
            "service_ranges": services,
        }
        return Part(
            elements={
                name: dict.fromkeys(family.ranges(found), "") for name, found in ranges.items()
            }
        )

    def local_checks(self, key: str) -> tuple[int, int] | None:
        """A Service's healthCheckNodePort and how many ready endpoints this node has; else None."""
        service = self._world.services.get(*split_key(key))
        if service is None or not is_ours(service) or service.spec.type != "LoadBalancer":
            return None
        port = service.spec.health_check_node_port
        if not port or service.spec.external_traffic_policy != "Local":
            return None
        return port, ready_here(self.slices(key), self._place)


def pod_ranges(nodes: Iterable[Node]) -> tuple[str, ...]:
    return tuple(
        one for node in nodes for one in node.spec.pod_cidrs or [node.spec.pod_cidr] if one
    )


def _trigger(one: EndpointSlice | None) -> str:
    return one.metadata.annotations.get(TRIGGER_TIME, "") if one is not None else ""


def _addresses(node: Node) -> tuple[str, ...]:
    return tuple(one.address for one in node.status.addresses if one.type == "InternalIP")


def _of_node(node: Node | None) -> object:
    if node is None:
        return None
    return pod_ranges([node]), _addresses(node), node.metadata.labels.get(ZONE_LABEL, "")


def _content(one: Any) -> object:
    """An object without what changes at every write."""
    if one is None:
        return None
    meta = one.metadata
    status = getattr(one, "status", None)
    return meta.uid, meta.labels, getattr(one, "spec", None), status
