"""Whether a network of Services is ready, or deleted and free to go: pure.

Each ServiceCIDR has a finalizer. A deleted one keeps it while an address of a Service lies in no other
network, and for a moment longer: API servers may still give addresses out of it.

Source of the rules and words: upstream's pkg/controller/servicecidrs.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from controller_manager.plan import NOTHING, Patch, Plan
from wherry.api.model import format_time
from wherry.api.networking_v1 import IPAddress, ServiceCIDR

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
MANAGED_BY = "ipaddress.kubernetes.io/managed-by"
ALLOCATOR = "ipallocator.k8s.io"
GRACE_SECONDS = 10.0
_READY = "Kubernetes Service CIDR is ready"
_HELD = (
    "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new "
    "ServiceCIDR"
)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def plan_service_cidr(
    cidr: ServiceCIDR | None,
    others: Sequence[ServiceCIDR],
    addresses: Iterable[IPAddress],
    now: datetime,
) -> Plan:
    """What to do about a network. `others` are all the other ones."""
    if cidr is None:
        return NOTHING
    deleted = cidr.metadata.deletion_timestamp
    if deleted is None:
        return Plan((*_finalizers(cidr, wanted=True), *_ready(cidr, now)))
    if FINALIZER not in cidr.metadata.finalizers:
        return NOTHING
    if not _may_go(cidr, others, addresses):
        return Plan(_not_ready(cidr, now))
    left = GRACE_SECONDS - (now - deleted).total_seconds()
    return Plan(requeue_after=left) if left > 0 else Plan(_finalizers(cidr, wanted=False))


def networks_of(cidr: ServiceCIDR) -> list[Network]:
    return [ipaddress.ip_network(text, strict=False) for text in cidr.spec.cidrs]


def _may_go(
    cidr: ServiceCIDR, others: Iterable[ServiceCIDR], addresses: Iterable[IPAddress]
) -> bool:
    own = networks_of(cidr)
    remaining = [network for other in others for network in networks_of(other)]
    left_alone = [one for one in own if not any(_within(one, other) for other in remaining)]
    if not left_alone:
        return True
    for address in addresses:
        if address.metadata.labels.get(MANAGED_BY) != ALLOCATOR:
            continue
        parsed = ipaddress.ip_address(address.metadata.name)
        if any(parsed in one for one in left_alone) and not any(parsed in o for o in remaining):
            return False
    return True


def _within(inner: Network, outer: Network) -> bool:
    if inner.version != outer.version:
        return False
    return inner.prefixlen >= outer.prefixlen and inner.network_address in outer


def _finalizers(cidr: ServiceCIDR, *, wanted: bool) -> tuple[Patch, ...]:
    found = cidr.metadata.finalizers
    if (FINALIZER in found) is wanted:
        return ()
    left = [*found, FINALIZER] if wanted else [one for one in found if one != FINALIZER]
    version = cidr.metadata.resource_version
    return (_patch(cidr, {"metadata": {"resourceVersion": version, "finalizers": left}}),)


def _ready(cidr: ServiceCIDR, now: datetime) -> tuple[Patch, ...]:
    return _condition(cidr, "True", "", _READY, now)


def _not_ready(cidr: ServiceCIDR, now: datetime) -> tuple[Patch, ...]:
    return _condition(cidr, "False", "Terminating", _HELD, now)


def _condition(
    cidr: ServiceCIDR, status: str, reason: str, message: str, now: datetime
) -> tuple[Patch, ...]:
    found = next((one for one in cidr.status.conditions if one.type == "Ready"), None)
    if found is not None and (found.status, found.reason, found.message) == (
        status, reason, message,
    ):  # fmt: skip
        return ()
    condition = {
        "type": "Ready",
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": format_time(now),
    }
    rest = [one.to_wire() for one in cidr.status.conditions if one.type != "Ready"]
    return (_patch(cidr, {"status": {"conditions": [*rest, condition]}}, "status"),)


def _patch(cidr: ServiceCIDR, patch: dict[str, Any], subresource: str = "") -> Patch:
    name = cidr.metadata.name
    return Patch(ServiceCIDR, "", name, patch, type="merge", subresource=subresource)
