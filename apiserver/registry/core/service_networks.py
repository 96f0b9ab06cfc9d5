"""The networks that Service addresses come from: those of the ServiceCIDR objects. Pure.

Before there is any such object (a cluster's first moment) they are the ones the flag names. Whether the
cluster has a family at all is the flag's say, always.

Source: pkg/registry/core/service/ipallocator/cidrallocator.go.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from apiserver.registry.core.service_allocator import (
    FULL,
    MISMATCHED_NETWORK,
    AddressRange,
    AllocationError,
)

READY: Final = "Ready"
RANGES_MAX: Final = 64  # parsed networks that are remembered

Taken = set[str]


@dataclass(frozen=True)
class Networks:
    """The ranges of one family, in the order they are tried."""

    ranges: Sequence[AddressRange]

    def claim(self, address: str, taken: Taken) -> None:
        """Check that a wished address can be had. AllocationError when it can't."""
        parsed = ipaddress.ip_address(address)
        for one in self.ranges:
            if one.network.version == parsed.version and one.contains(parsed):
                one.claim(address, taken)
                return
        raise AllocationError(MISMATCHED_NETWORK)

    def allocate(self, taken: Taken) -> str:
        """A free address of the first range that has one. AllocationError when none has."""
        for one in self.ranges:
            try:
                return one.allocate(taken)
            except AllocationError:
                continue  # full: the next
        raise AllocationError(FULL)


def networks(configured: AddressRange, cidrs: Iterable[Mapping[str, Any]]) -> Networks:
    """Where addresses of the configured range's family come from."""
    found = [*cidrs]
    if not found:
        return Networks([configured])
    usable = dict.fromkeys(
        text for one in found if is_usable(one) for text in one["spec"].get("cidrs", ())
    )
    ranges = [_range_of(text) for text in usable if text != str(configured.network)]
    own = [configured] if str(configured.network) in usable else []
    return Networks([*own, *(one for one in ranges if one.family == configured.family)])


def is_usable(cidr: Mapping[str, Any]) -> bool:
    """Whether addresses are given out of a ServiceCIDR: unless it goes or says that it is not ready."""
    if cidr["metadata"].get("deletionTimestamp"):
        return False
    conditions = cidr.get("status", {}).get("conditions", ())
    return all(one["status"] == "True" for one in conditions if one["type"] == READY)


@lru_cache(RANGES_MAX)
def _range_of(text: str) -> AddressRange:
    return AddressRange(ipaddress.ip_network(text, strict=False), spare_first=False)
