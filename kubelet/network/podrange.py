"""From the node's pod ranges and this machine's interfaces to what the default network is made of.

The MTU is worked out as the proxy does it (`wherry.daemon.links`), so pods' packets fit the routes to
other nodes. A range that lies over a network the machine is on would cut the machine off from it: the
node then says so and makes no pods, instead of the bridge.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from ipaddress import ip_network

from wherry.daemon.links import (
    Link,
    LinksError,
    PodNetworkMode,
    addresses_of,
    overlapping,
    pod_mtu,
    read_links,
)

log = logging.getLogger(__name__)

LOOK_SECONDS = 60.0  # at the interfaces, which seldom change


class PodRange:
    """Keeps the CNI's default network told.

    addresses: the node's, at the moment
    tell:      ranges, MTU, and why they can't be used ("" when they can)
    """

    def __init__(
        self,
        mode: PodNetworkMode,
        addresses: Callable[[], Sequence[str]],
        tell: Callable[[Sequence[str], int, str], None],
    ) -> None:
        self._mode = mode
        self._addresses = addresses
        self._tell = tell
        self._cidrs: tuple[str, ...] = ()
        self._changed = asyncio.Event()

    def set(self, cidrs: Sequence[str]) -> None:
        """The ranges that the cluster gave this node; none = as before."""
        if cidrs and tuple(cidrs) != self._cidrs:
            self._cidrs = tuple(cidrs)
            self._changed.set()

    async def run(self) -> None:
        """Keep it told until cancelled."""
        while True:
            await self._look()
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _look(self) -> None:
        self._changed.clear()
        if not self._cidrs:
            return
        links: tuple[Link, ...] = ()
        try:
            links = await read_links()
        except LinksError as error:
            log.warning("pods get Ethernet's usual MTU: %s", error)
        mtu = pod_mtu(self._mode, links, addresses_of(self._addresses()))
        self._tell(self._cidrs, mtu, conflict(self._cidrs, links))


def conflict(cidrs: Sequence[str], links: Sequence[Link]) -> str:
    """Why the machine can't have these pod ranges; "" when it can."""
    for text in cidrs:
        try:
            found = overlapping(ip_network(text), links)
        except ValueError as error:
            return f"spec.podCIDRs: {error}"
        if found is not None:
            link, network = found
            return (
                f"pod range {text} overlaps {network}, which this machine is on ({link.name}):"
                " choose another --cluster-cidr"
            )
    return ""
