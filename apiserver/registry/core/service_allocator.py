"""Which address and which node port a Service gets. Pure: the caller says what is taken.

Random numbers come from the upper band of a range first, so that people who choose an address from
the lower band by hand seldom meet a collision (upstream's static and dynamic bands).

Source: pkg/registry/core/service/{ipallocator,portallocator}.
"""

from __future__ import annotations

import ipaddress
import random
from collections import Counter
from collections.abc import Callable, Set
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Random draws before the band is searched in order.
_DRAWS_MAX: Final = 64
# Addresses of one range that are ever given out; a larger network is used as far as this.
SIZE_MAX: Final = 1 << 16


class AllocationError(ValueError):
    """A number can't be had; worded as upstream's."""


ALREADY_ALLOCATED_IP: Final = "provided IP is already allocated"
ALREADY_ALLOCATED_PORT: Final = "provided port is already allocated"
FULL: Final = "range is full"
MISMATCHED_NETWORK: Final = "the provided network does not match the current range"


def _band_offset(size: int, *, minimum: int, maximum: int, step: int) -> int:
    """How many numbers at a range's start are left to people."""
    return 0 if size < minimum else min(max(minimum, size // step), maximum)


def _pick(
    first: int, size: int, offset: int, is_free: Callable[[int], bool], rng: random.Random
) -> int | None:
    """A free number of [first, first + size), from beyond `offset` if there is one."""
    for low, high in ((first + offset, first + size), (first, first + offset)):
        if low >= high:
            continue
        for _ in range(_DRAWS_MAX):
            drawn: int = rng.randrange(low, high)
            if is_free(drawn):
                return drawn
        start = rng.randrange(low, high)
        for number in chain(range(start, high), range(low, start)):
            if is_free(number):
                return number
    return None


STATIC: Final = "static"  # wished for
DYNAMIC: Final = "dynamic"  # chosen here
# How often numbers were (True) or could not be given out, for /metrics.
Counts = Counter[tuple[str, bool]]


@dataclass(frozen=True)
class AddressRange:
    """The usable addresses of a Service network: not its own, and of IPv4 not its broadcast."""

    network: Network
    rng: random.Random = field(default_factory=random.SystemRandom)
    spare_first: bool = True  # the first address is the API's own Service's
    counts: Counts = field(default_factory=Counter, compare=False)

    @property
    def family(self) -> str:
        return f"IPv{self.network.version}"

    @property
    def _first(self) -> int:
        return int(self.network.network_address) + 1

    @property
    def size(self) -> int:
        spared = 2 if self.network.version == 4 else 1
        return min(max(self.network.num_addresses - spared, 0), SIZE_MAX)

    def contains(self, address: Address) -> bool:
        return self._first <= int(address) < self._first + self.size

    def claim(self, text: str, taken: Set[str]) -> str:
        """Check that a wished address can be had. AllocationError when it can't."""
        address = ipaddress.ip_address(text)
        if address.version != self.network.version or not self.contains(address):
            raise AllocationError(
                f"the provided IP ({text}) is not in the valid range. "
                f"The range of valid IPs is {self.network}"
            )
        if str(address) in taken:
            self.counts[STATIC, False] += 1
            raise AllocationError(ALREADY_ALLOCATED_IP)
        self.counts[STATIC, True] += 1
        return text

    def allocate(self, taken: Set[str]) -> str:
        """A free address. AllocationError when there is none."""
        kind = type(self.network.network_address)
        spared = self._first if self.spare_first else -1

        def is_free(number: int) -> bool:
            return number != spared and str(kind(number)) not in taken

        offset = _band_offset(self.size, minimum=16, maximum=256, step=16)
        picked = _pick(self._first, self.size, offset, is_free, self.rng)
        self.counts[DYNAMIC, picked is not None] += 1
        if picked is None:
            raise AllocationError(FULL)
        return str(kind(picked))


@dataclass(frozen=True)
class PortRange:
    """The ports that Services may open on every node, both ends included."""

    first: int = 30000
    last: int = 32767
    rng: random.Random = field(default_factory=random.SystemRandom)
    counts: Counts = field(default_factory=Counter, compare=False)

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def claim(self, port: int, taken: Set[int]) -> int:
        """Check that a wished port can be had. AllocationError when it can't."""
        fine = self.first <= port <= self.last and port not in taken
        self.counts[STATIC, fine] += 1
        if not self.first <= port <= self.last:
            raise AllocationError(
                "provided port is not in the valid range. "
                f"The range of valid ports is {self.first}-{self.last}"
            )
        if port in taken:
            raise AllocationError(ALREADY_ALLOCATED_PORT)
        return port

    def allocate(self, taken: Set[int]) -> int:
        """A free port. AllocationError when there is none."""
        offset = _band_offset(self.size, minimum=16, maximum=128, step=32)
        picked = _pick(self.first, self.size, offset, lambda port: port not in taken, self.rng)
        self.counts[DYNAMIC, picked is not None] += 1
        if picked is None:
            raise AllocationError(FULL)
        return picked
