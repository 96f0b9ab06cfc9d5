"""The EndpointSlices a Service needs, and the writes that lead there. Pure.

Slices are named by a hash of the Service's uid and a running number: a cache that lags then makes a
creation fail with AlreadyExists instead of making a second slice. An existing slice that is no
longer needed is reused before a new one is made. A Service without endpoints keeps one empty slice.

Source of the rules: upstream's staging/src/k8s.io/endpointslice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from controller_manager import pods, services
from controller_manager.endpointslice import hints
from controller_manager.endpointslice.distribute import ENDPOINTS_MAX, distribute
from controller_manager.ownership import controller_of, controller_reference
from controller_manager.plan import Action, Create, Delete, Emit, Plan, Update
from controller_manager.services import NodeZone
from wherry.api.core_v1 import Pod, Service
from wherry.api.discovery_v1 import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from wherry.api.meta_v1 import ObjectMeta

SERVICE_LABEL = "kubernetes.io/service-name"
MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
OWN_LABELS = frozenset({SERVICE_LABEL, MANAGED_BY_LABEL, services.HEADLESS_LABEL})

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH = 5

Ports = tuple[EndpointPort, ...]


@dataclass(frozen=True, slots=True)
class Observed:
    """chosen: the pods the Service selects. zone_of: a node's zone ("" without one), None when the
    node is unknown. slices: those of this Service that are ours. changed_at: see TriggerTimes.
    cpu_shares: zone → its part of the cluster's CPUs, for Services that are shared out by it."""

    service: Service
    chosen: tuple[Pod, ...]
    zone_of: NodeZone
    slices: tuple[EndpointSlice, ...]
    changed_at: datetime | None = None
    cpu_shares: Mapping[str, float] = field(default_factory=dict)


def plan_slices(observed: Observed, limit: int = ENDPOINTS_MAX) -> Plan:
    """Creates, updates and deletes; nothing when the slices are right. `limit`: of one slice."""
    service = observed.service
    wanted_families = services.families(service)
    surplus = [s for s in observed.slices if s.address_type not in wanted_families]
    surplus += [s for s in observed.slices if s not in surplus and not _is_owned(s, service)]
    actions: list[Action] = []
    taken = {s.metadata.name for s in observed.slices}
    told: list[Action] = []
    for family in wanted_families:
        mine = [s for s in observed.slices if s.address_type == family and s not in surplus]
        groups, why_not = endpoints_by_ports(observed, family)
        planned = _plan_family(observed, groups, family, mine, taken, limit)
        actions += planned
        if planned and hints.is_auto(service):
            told += _tell(observed, family, why_not)
    actions += [_delete(s) for s in surplus]
    return Plan((*actions, *told))


def _tell(observed: Observed, family: str, why_not: str) -> list[Action]:
    """Say when endpoints begin to be shared out by zones, and whenever they cannot be."""
    before = [e for s in observed.slices if s.address_type == family for e in s.endpoints]
    if why_not:
        words = f"{why_not}, addressType: {family}"
        return [Emit(observed.service, "Warning", "TopologyAwareHintsDisabled", words)]
    if any(e.hints for e in before):
        return []
    words = f"{hints.ENABLED}, addressType: {family}"
    return [Emit(observed.service, "Normal", "TopologyAwareHintsEnabled", words)]


def _plan_family(
    observed: Observed,
    groups: Mapping[Ports, Sequence[Endpoint]],
    family: str,
    mine: Sequence[EndpointSlice],
    taken: set[str],
    limit: int,
) -> list[Action]:
    kept: list[EndpointSlice] = []
    changed: list[EndpointSlice] = []
    spare = [s for s in mine if tuple(s.ports) not in groups]
    new: list[tuple[Ports, Sequence[Endpoint]]] = []
    for ports, wanted in groups.items():
        placed = distribute(wanted, [s for s in mine if tuple(s.ports) == ports], limit)
        kept += placed.kept
        changed += placed.changed
        spare += placed.emptied
        new += [(ports, content) for content in placed.new]
    if not kept and not changed and not new:
        new.append(((), ()))  # the placeholder: a Service always has a slice
    placeholder = [s for s in spare if not s.endpoints and not s.ports]
    if new == [((), ())] and placeholder:
        kept.append(placeholder[0])
        spare.remove(placeholder[0])
        new = []
    while new and spare:
        ports, content = new.pop()
        changed.append(spare.pop().with_(ports=list(ports), endpoints=list(content)))
    actions: list[Action] = []
    for piece in [*changed, *kept]:
        fresh = _with_labels(piece, observed, force=piece in changed)
        if fresh is not None:
            actions.append(Update(fresh))
    if observed.service.metadata.deletion_timestamp is None:
        for ports, content in new:
            actions.append(Create(_make(observed, family, ports, content, taken)))
    return [*actions, *[_delete(s) for s in spare]]


def endpoints_by_ports(observed: Observed, family: str) -> tuple[dict[Ports, list[Endpoint]], str]:
    """The wanted endpoints, grouped by the ports they serve on; and why those that should be shared
    out by zones are not."""
    groups: dict[Ports, list[Endpoint]] = {}
    service = observed.service
    for pod in sorted(observed.chosen, key=lambda pod: pod.metadata.name):
        if not services.may_be_endpoint(pod, include_terminating=True):
            continue
        addresses = services.addresses(pod, family)
        zone = observed.zone_of(pod.spec.node_name) if pod.spec.node_name else ""
        unknown_node = zone is None or not pod.spec.node_name
        if not addresses or (unknown_node and not service.spec.publish_not_ready_addresses):
            continue
        groups.setdefault(ports_of(service, pod), []).append(
            hints.near(service, _endpoint(pod, service, addresses, zone or None))
        )
    if not hints.is_auto(service):
        return groups, ""
    why_not = ""
    for ports, endpoints in groups.items():
        bare = [one.with_(hints=None) for one in endpoints]
        groups[ports], problem = hints.shared_out(bare, observed.cpu_shares)
        why_not = why_not or problem
    return groups, why_not


def ports_of(service: Service, pod: Pod) -> Ports:
    """The Service's ports as this pod offers them."""
    found = ((port, services.port_number(pod, port)) for port in service.spec.ports)
    ports = [
        EndpointPort(
            name=port.name,
            protocol=port.protocol or "TCP",
            port=number,
            app_protocol=port.app_protocol,
        )
        for port, number in found
        if number is not None
    ]
    return tuple(sorted(ports, key=lambda p: (p.name or "", p.protocol or "", p.port or 0)))


def _endpoint(pod: Pod, service: Service, addresses: list[str], zone: str | None) -> Endpoint:
    serving = pods.is_ready(pod)
    terminating = pods.is_terminating(pod)
    ready = service.spec.publish_not_ready_addresses or (serving and not terminating)
    return Endpoint(
        addresses=addresses,
        conditions=EndpointConditions(ready=ready, serving=serving, terminating=terminating),
        hostname=pod.spec.hostname if services.has_hostname(pod, service) else None,
        target_ref=services.target_of(pod),
        node_name=pod.spec.node_name or None,
        zone=zone,
    )


def _is_owned(piece: EndpointSlice, service: Service) -> bool:
    owner = controller_of(piece.metadata)
    return owner is not None and owner.uid == service.metadata.uid


def slice_labels(service: Service) -> dict[str, str]:
    """The Service's labels, and those by which slices are found."""
    labels = {k: v for k, v in service.metadata.labels.items() if k not in OWN_LABELS}
    if services.is_headless(service):
        labels[services.HEADLESS_LABEL] = ""
    return {**labels, SERVICE_LABEL: service.metadata.name, MANAGED_BY_LABEL: MANAGER}


def _annotations(observed: Observed, current: dict[str, str]) -> dict[str, str]:
    """The moment of the change for those who measure; absent when nothing in particular changed."""
    others = {k: v for k, v in current.items() if k != services.LAST_CHANGE_TRIGGER_TIME}
    if observed.changed_at is None:
        return others
    text = observed.changed_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {**others, services.LAST_CHANGE_TRIGGER_TIME: text}


def _with_labels(piece: EndpointSlice, observed: Observed, *, force: bool) -> EndpointSlice | None:
    labels = slice_labels(observed.service)
    if not force and labels == piece.metadata.labels:
        return None
    notes = _annotations(observed, piece.metadata.annotations)
    return piece.with_(metadata=piece.metadata.with_(labels=labels, annotations=notes))


def _make(
    observed: Observed,
    family: str,
    ports: Ports,
    content: Iterable[Endpoint],
    taken: set[str],
) -> EndpointSlice:
    service = observed.service
    name = _free_name(service, taken)
    taken.add(name)
    return EndpointSlice(
        metadata=ObjectMeta(
            name=name,
            generate_name=f"{service.metadata.name}-",
            namespace=service.metadata.namespace,
            labels=slice_labels(service),
            annotations=_annotations(observed, {}),
            owner_references=[controller_reference(service)],
        ),
        address_type=family,
        endpoints=list(content),
        ports=list(ports),
    )


def _free_name(service: Service, taken: set[str]) -> str:
    number = 0
    while True:
        digest = hashlib.blake2b(f"{service.metadata.uid}/{number}".encode(), digest_size=5)
        suffix = "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest.digest())
        name = f"{service.metadata.name}-{suffix[:_SUFFIX_LENGTH]}"
        if name not in taken:
            return name
        number += 1


def _delete(piece: EndpointSlice) -> Delete:
    metadata = piece.metadata
    return Delete(EndpointSlice, metadata.namespace, metadata.name, metadata.uid)
