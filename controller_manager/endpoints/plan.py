"""The Endpoints object of a Service. Pure.

Kept for clients that still read it; the proxy and DNS read slices. Above 1,000 addresses it is cut
off, and an annotation says so.

Source of the rules: upstream's pkg/controller/endpoint.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from controller_manager import pods, services
from controller_manager.endpoints.subsets import Backend, pack
from controller_manager.plan import NOTHING, Create, Delete, Plan, Update
from wherry.api.core_v1 import (
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointSubset,
    Pod,
    Service,
)
from wherry.api.meta_v1 import ObjectMeta

OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MANAGED_BY_LABEL = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
ADDRESSES_MAX = 1000


@dataclass(frozen=True, slots=True)
class Observed:
    """`service` None: it is gone, and its Endpoints go too. changed_at: see TriggerTimes."""

    service: Service | None
    chosen: tuple[Pod, ...]
    endpoints: Endpoints | None
    changed_at: datetime | None = None


def plan_endpoints(observed: Observed) -> Plan:
    service, current = observed.service, observed.endpoints
    if service is None:
        if current is None:
            return NOTHING
        metadata = current.metadata
        return Plan((Delete(Endpoints, metadata.namespace, metadata.name, metadata.uid),))
    subsets, truncated = _cut(pack(_backends(service, observed.chosen)))
    labels = _labels(service)
    if current is None:
        metadata = ObjectMeta(
            name=service.metadata.name,
            namespace=service.metadata.namespace,
            labels=labels,
            annotations=_annotations(observed, {}, truncated),
        )
        return Plan((Create(Endpoints(metadata=metadata, subsets=subsets)),))
    over = current.metadata.annotations.get(OVER_CAPACITY)
    if (current.subsets, current.metadata.labels, over) == (subsets, labels, truncated):
        return NOTHING
    notes = _annotations(observed, current.metadata.annotations, truncated)
    metadata = current.metadata.with_(labels=labels, annotations=notes)
    return Plan((Update(current.with_(metadata=metadata, subsets=subsets)),))


def _labels(service: Service) -> dict[str, str]:
    labels = {k: v for k, v in service.metadata.labels.items() if k != services.HEADLESS_LABEL}
    if services.is_headless(service):
        labels[services.HEADLESS_LABEL] = ""
    labels[MANAGED_BY_LABEL] = MANAGER
    return labels


def _annotations(
    observed: Observed, current: dict[str, str], truncated: str | None
) -> dict[str, str]:
    notes = {
        k: v
        for k, v in current.items()
        if k not in (OVER_CAPACITY, services.LAST_CHANGE_TRIGGER_TIME)
    }
    if observed.changed_at is not None:
        text = observed.changed_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        notes[services.LAST_CHANGE_TRIGGER_TIME] = text
    if truncated is not None:
        notes[OVER_CAPACITY] = truncated
    return notes


def _backends(service: Service, chosen: Iterable[Pod]) -> Iterable[Backend]:
    publish_all = service.spec.publish_not_ready_addresses
    family = services.families(service)[0]
    for pod in chosen:
        if not services.may_be_endpoint(pod, include_terminating=publish_all):
            continue
        found = services.addresses(pod, family)
        if not found:
            continue
        address = EndpointAddress(
            ip=found[0],
            hostname=pod.spec.hostname if services.has_hostname(pod, service) else "",
            node_name=pod.spec.node_name or None,
            target_ref=services.target_of(pod),
        )
        ready = publish_all or pods.is_ready(pod)
        if services.is_headless(service) and not service.spec.ports:
            yield Backend(address, None, ready)
        for port in service.spec.ports:
            number = services.port_number(pod, port)
            if number is not None:
                offered = EndpointPort(
                    name=port.name,
                    port=number,
                    protocol=port.protocol or "TCP",
                    app_protocol=port.app_protocol,
                )
                yield Backend(address, offered, ready)


def _cut(subsets: list[EndpointSubset]) -> tuple[list[EndpointSubset], str | None]:
    """At most ADDRESSES_MAX addresses, ready ones first; what the annotation says when cut."""
    total = sum(len(s.addresses) + len(s.not_ready_addresses) for s in subsets)
    if total <= ADDRESSES_MAX:
        return subsets, None
    room = ADDRESSES_MAX
    kept_ready = []
    for subset in subsets:
        kept_ready.append(subset.addresses[:room])
        room -= len(kept_ready[-1])
    cut = []
    for subset, ready in zip(subsets, kept_ready, strict=True):
        not_ready = subset.not_ready_addresses[:room]
        room -= len(not_ready)
        if ready or not_ready:
            cut.append(subset.with_(addresses=ready, not_ready_addresses=not_ready))
    return cut, "truncated"
