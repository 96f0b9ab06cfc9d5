"""Keeps this node's part of the pod network: routes, VXLAN, accepts, masquerade, kernel settings.

What should be is worked out anew from the Nodes and this machine's interfaces (`routes.plan`); each
part compares it with what is there and writes the difference. Looked at when a Node's addresses or
ranges change, when anybody changes routes, addresses or the packet filter (`notices`), and now and
then. What cannot be is said once, in the log and as an Event on this node, and stops nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from ipaddress import ip_network
from typing import Final, Protocol

from proxy import kernel
from proxy.accepts import Accepts, ensure_accepts, remove_accepts
from proxy.commands import CommandError
from proxy.firewalld import ensure_accepted
from proxy.leaving import Leaving, LeavingTable, remove_tables
from proxy.notices import listening
from proxy.routes import VXLAN_PORT, Peer, Plan, peer, plan, without
from proxy.sysctl import ensure_settings
from wherry.api.core_v1 import Node
from wherry.daemon.links import (
    BRIDGE,
    Link,
    LinksError,
    Network,
    PodNetworkMode,
    contains,
    overlapping,
    pod_mtu,
    read_links,
)

log = logging.getLogger(__name__)

GATHER_SECONDS: Final = 0.1  # changes this close are looked at once
TOUCHED_SECONDS: Final = 1.5  # from a change on this machine to the look at it
LOOK_SECONDS: Final = 60.0  # when nothing is heard
RETRY_SECONDS: Final = 5.0  # after something was refused
FAMILIES: Final = (4, 6)

Say = Callable[[str], None]


class Nodes(Protocol):
    """The cluster's Nodes, as an Informer knows them."""

    def list(self) -> Sequence[Node]: ...
    def add_handler(self, handler: Callable[[Node | None, Node | None], None]) -> None: ...
    async def synced(self) -> None: ...


class PodNetwork:
    """Owns all that the kernel holds for the pod network of this node.

    cluster_ranges: the pods' ranges as far as known beforehand; nodes' own ranges are added
    say:            tells people of a problem
    """

    def __init__(
        self,
        nodes: Nodes,
        me: str,
        mode: PodNetworkMode,
        cluster_ranges: Iterable[Network],
        *,
        say: Say,
    ) -> None:
        self._nodes = nodes
        self._me = me
        self._mode = mode
        self._cluster_ranges = tuple(cluster_ranges)
        self._say = say
        self._due = asyncio.Event()
        self._soon: asyncio.TimerHandle | None = None
        self._tables = {version: LeavingTable(version) for version in FAMILIES}
        self._known_problems: frozenset[str] = frozenset()
        nodes.add_handler(self._on_node)

    def _on_node(self, before: Node | None, after: Node | None) -> None:
        # Nodes report every few seconds; what matters here hardly ever changes.
        if before is None or after is None or peer(before) != peer(after):
            self._due.set()

    def _touch(self) -> None:
        """Somebody, maybe we, changed something of the machine's: look a little later."""
        if self._soon is None:
            loop = asyncio.get_running_loop()
            self._soon = loop.call_later(TOUCHED_SECONDS, self._due.set)

    async def run(self) -> None:
        """Keep it until cancelled."""
        await self._nodes.synced()
        with listening(self._touch):
            while True:
                self._due.clear()
                if self._soon is not None:
                    self._soon.cancel()
                    self._soon = None
                problems = await self.look()
                self._report(problems)
                try:
                    async with asyncio.timeout(RETRY_SECONDS if problems else LOOK_SECONDS):
                        await self._due.wait()
                except TimeoutError:
                    continue
                await asyncio.sleep(GATHER_SECONDS)

    def _report(self, problems: list[str]) -> None:
        for one in dict.fromkeys(problems):
            if one not in self._known_problems:
                log.warning("%s", one)
                self._say(one)
        self._known_problems = frozenset(problems)

    async def look(self) -> list[str]:
        """Bring everything to what it should be, once; the problems, a line each."""
        peers = [peer(one) for one in self._nodes.list()]
        try:
            links = await read_links()
        except LinksError as error:
            return [str(error)]
        wanted = plan(peers, self._me, links, self._mode)
        mine = next((one.ranges for one in peers if one.name == self._me), ())
        ranges = pod_ranges(self._cluster_ranges, [*mine, *wanted.routes])
        problems = [*wanted.problems]
        if self._mode != "none":
            problems += conflicts(self._cluster_ranges, links, mine)
        problems += await ensure_settings(ipv6=any(one.version == 6 for one in ranges))
        problems += await _each(
            partial(kernel.bring_to, wanted),
            partial(self._bridge, peers, links),
            *(partial(self._filter, version, wanted, ranges) for version in FAMILIES),
        )
        return problems

    async def _bridge(self, peers: Iterable[Peer], links: tuple[Link, ...]) -> list[str]:
        me = next((one for one in peers if one.name == self._me), None)
        bridge = next((one for one in links if one.name == BRIDGE), None)
        if self._mode != "none" and me is not None and bridge is not None:
            await kernel.set_bridge_mtu(bridge.mtu, pod_mtu(self._mode, links, me.addresses))
        return []

    async def _filter(
        self,
        version: int,
        wanted: Plan,
        ranges: Iterable[Network],
    ) -> list[str]:
        """One family's accepts and masquerade; in mode "none" there are none of ours."""
        if self._mode == "none":
            accepts, leaving = Accepts(), Leaving()
        else:
            accepts, leaving = filters(version, wanted, ranges)
        await self._tables[version].ensure(leaving)
        await ensure_accepts(accepts, version)
        await ensure_accepted(accepts, version)
        return []


def filters(version: int, wanted: Plan, ranges: Iterable[Network]) -> tuple[Accepts, Leaving]:
    """What one IP family's packet filter shall accept, masquerade and drop. Pure.

    Nodes that are reached directly have a route back to our pods and see their addresses.
    """
    mine = tuple(one for one in ranges if one.version == version)
    outer = any(vtep.local.version == version for vtep in wanted.vteps.values())
    port = VXLAN_PORT if outer else 0
    near = frozenset(
        route.gateway
        for route in wanted.routes.values()
        if not route.device and route.gateway.version == version
    )
    senders = frozenset(one.to for one in wanted.forwards if one.to.version == version)
    return Accepts(mine, port), Leaving(frozenset(mine), near, port, senders)


def pod_ranges(told: Iterable[Network], known: Iterable[Network]) -> tuple[Network, ...]:
    """Where pods live: what we were told, and this node's and reachable nodes' ranges beyond. Sorted."""
    found = set(told)
    found |= {one for one in known if not any(contains(outer, one) for outer in found)}
    return tuple(sorted(found, key=lambda one: (one.version, one)))


def conflicts(told: Iterable[Network], links: Iterable[Link], mine: Sequence[Network]) -> list[str]:
    """The pods' ranges that networks of this machine lie in: addresses there are taken for pods'."""
    foreign = [without(link, mine) for link in links]
    found = [(one, overlapping(one, foreign)) for one in told]
    return [
        f"--cluster-cidr {one} overlaps {hit[1]}, which this machine is on ({hit[0].name})"
        for one, hit in found
        if hit is not None
    ]


def cluster_ranges(texts: Iterable[str]) -> tuple[Network, ...]:
    """--cluster-cidr; ValueError when one is no range."""
    return tuple(ip_network(text) for text in texts)


async def _each(*steps: Callable[[], Awaitable[list[str]]]) -> list[str]:
    """One step after the other; what fails is a problem and does not stop the rest."""
    problems: list[str] = []
    for step in steps:
        try:
            problems += await step()
        except (CommandError, OSError) as error:
            problems.append(str(error))
    return problems


async def clean_up() -> None:
    """Remove all of it: routes, interfaces, tables, chains. The settings stay: others need them, too."""
    await kernel.bring_to(Plan())
    await remove_tables()
    await remove_accepts()
