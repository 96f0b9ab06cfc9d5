"""The slices that mirror one Endpoints object. Pure.

One slice for each family of addresses and set of ports, named by these, so that no lag of a cache
makes a second one. Only Endpoints of a Service without a selector are mirrored: for the others the
slices are made from pods.

Source of the rules: upstream's pkg/controller/endpointslicemirroring.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from controller_manager.naming import suffix
from controller_manager.ownership import controller_reference
from controller_manager.plan import Action, Create, Delete, Update
from controller_manager.services import HEADLESS_LABEL
from wherry.api.core_v1 import EndpointAddress, Endpoints, EndpointSubset, Service
from wherry.api.discovery_v1 import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from wherry.api.meta_v1 import ObjectMeta

SERVICE_LABEL = "kubernetes.io/service-name"
MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP_LABEL = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"  # marks Endpoints used as an election's lock
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
ENDPOINTS_MAX = 1000  # of one subset; the rest is not mirrored

Ports = tuple[EndpointPort, ...]


@dataclass(frozen=True, slots=True)
class Observed:
    """slices: those of this Service that are ours."""

    endpoints: Endpoints | None
    service: Service | None
    slices: tuple[EndpointSlice, ...]


def is_mirrored(endpoints: Endpoints | None, service: Service | None) -> bool:
    if endpoints is None or service is None or service.spec.selector:
        return False
    metadata = endpoints.metadata
    return metadata.labels.get(SKIP_LABEL) != "true" and LEADER not in metadata.annotations


def plan_mirror(observed: Observed) -> list[Action]:
    """Creates, updates and deletes; nothing when the slices are right."""
    endpoints = observed.endpoints
    wanted: dict[str, EndpointSlice] = {}
    if endpoints is not None and is_mirrored(endpoints, observed.service):
        wanted = {piece.metadata.name: piece for piece in _slices(endpoints)}
    actions: list[Action] = []
    for piece in observed.slices:
        metadata = piece.metadata
        fresh = wanted.pop(metadata.name, None)
        if fresh is None or fresh.address_type != piece.address_type:
            where = (metadata.namespace, metadata.name, metadata.uid)
            actions.append(Delete(EndpointSlice, *where))
        elif not _is_same(fresh, piece):
            kept = fresh.metadata
            merged = metadata.with_(
                labels=kept.labels,
                annotations=kept.annotations,
                owner_references=kept.owner_references,
            )
            actions.append(Update(fresh.with_(metadata=merged)))
    if endpoints is not None and endpoints.metadata.deletion_timestamp is None:
        actions += [Create(piece) for piece in wanted.values()]
    return actions


def _is_same(fresh: EndpointSlice, piece: EndpointSlice) -> bool:
    return (
        fresh.endpoints == piece.endpoints
        and fresh.ports == piece.ports
        and fresh.metadata.labels == piece.metadata.labels
        and fresh.metadata.annotations == piece.metadata.annotations
        and fresh.metadata.owner_references == piece.metadata.owner_references
    )


def _slices(endpoints: Endpoints) -> Iterator[EndpointSlice]:
    groups: dict[tuple[str, Ports], list[Endpoint]] = {}
    for subset in endpoints.subsets:
        ports = tuple(
            EndpointPort(
                name=port.name, protocol=port.protocol or "TCP", port=port.port,
                app_protocol=port.app_protocol,
            )
            for port in subset.ports
        )  # fmt: skip
        for family, endpoint in _endpoints(subset):
            content = groups.setdefault((family, ports), [])
            if len(content) < ENDPOINTS_MAX and endpoint not in content:
                content.append(endpoint)
    for (family, ports), content in groups.items():
        yield _slice(endpoints, family, ports, content)


def _endpoints(subset: EndpointSubset) -> Iterator[tuple[str, Endpoint]]:
    for ready, addresses in ((True, subset.addresses), (False, subset.not_ready_addresses)):
        for address in addresses:
            family = family_of(address)
            if family:
                yield (
                    family,
                    Endpoint(
                        addresses=[address.ip],
                        conditions=EndpointConditions(ready=ready),
                        hostname=address.hostname or None,
                        target_ref=address.target_ref,
                        node_name=address.node_name,
                    ),
                )


def family_of(address: EndpointAddress) -> str:
    """IPv4 or IPv6; empty for what is no address."""
    try:
        return f"IPv{ipaddress.ip_address(address.ip).version}"
    except ValueError:
        return ""


def _slice(
    endpoints: Endpoints, family: str, ports: Ports, content: Sequence[Endpoint]
) -> EndpointSlice:
    metadata = endpoints.metadata
    labels = {k: v for k, v in metadata.labels.items() if k != HEADLESS_LABEL}
    notes = {k: v for k, v in metadata.annotations.items() if k != LAST_APPLIED}
    shape = " ".join([metadata.uid, family, *(port.to_json().decode() for port in ports)])
    end = suffix(hashlib.blake2b(shape.encode()).hexdigest())
    return EndpointSlice(
        metadata=ObjectMeta(
            name=f"{metadata.name}-{end}",
            generate_name=f"{metadata.name}-",
            namespace=metadata.namespace,
            labels={**labels, SERVICE_LABEL: metadata.name, MANAGED_BY_LABEL: MANAGER},
            annotations=notes,
            owner_references=[controller_reference(endpoints)],
        ),
        address_type=family,
        endpoints=list(content),
        ports=list(ports),
    )
