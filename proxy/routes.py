"""Routes to the other nodes' pods: directly, all nodes being on one L2 network.

Our routes carry a protocol number of their own, so they are known after a restart and nobody else's
is touched. The plan is pure; pyroute2 (10 MiB) is imported only when there is a route to set or to
remove, which a cluster of one node never needs.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

from proxy.commands import run
from wherry.api.core_v1.node import Node

log = logging.getLogger(__name__)

PROTOCOL: Final = 87  # of our routes in the kernel's table


def wanted_routes(nodes: Iterable[Node], me: str) -> dict[str, str]:
    """Pod range → gateway, for every other node that has both."""
    routes = {}
    for node in nodes:
        if node.metadata.name == me or node.metadata.deletion_timestamp is not None:
            continue
        address = internal_address(node)
        ranges = node.spec.pod_cidrs or [node.spec.pod_cidr]
        for one in ranges:
            if address and _is_ipv4_network(one):
                routes[one] = address
    return routes


def internal_address(node: Node) -> str:
    """The node's first IPv4 InternalIP, "" without one."""
    for address in node.status.addresses:
        if address.type == "InternalIP" and "." in address.address:
            return address.address
    return ""


def changes(
    present: Mapping[str, str], wanted: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """What to set and what to remove."""
    add = {one: gateway for one, gateway in wanted.items() if present.get(one) != gateway}
    return add, {one: gateway for one, gateway in present.items() if one not in wanted}


def _is_ipv4_network(text: str) -> bool:
    try:
        ipaddress.IPv4Network(text)
    except ValueError:
        return False
    return True


class Routes:
    """Keeps the kernel's routes to other nodes' pods as they were last asked for."""

    def __init__(self) -> None:
        self._applied: dict[str, str] | None = None

    async def apply(self, wanted: Mapping[str, str]) -> None:
        """Set and remove routes; OSError-like failures of one route are logged, not raised."""
        if self._applied == wanted:
            return
        if not wanted and self._applied is None and not await _left_over():
            self._applied = {}
            return
        failed = await asyncio.to_thread(_apply, dict(wanted))
        self._applied = None if failed else dict(wanted)


async def _left_over() -> bool:
    """Whether there are routes of ours, found out without pyroute2."""
    return bool((await run(("ip", "-4", "route", "show", "proto", str(PROTOCOL)))).strip())


async def remove_routes() -> None:
    await asyncio.to_thread(_apply, {})


def _apply(wanted: dict[str, str]) -> bool:
    """Bring the kernel to `wanted`; True when something failed and is to be tried again."""
    from pyroute2.iproute.linux import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    failed = False
    with IPRoute() as kernel:
        present = _present(kernel)
        add, remove = changes(present, wanted)
        for verb, routes in (("del", remove), ("replace", add)):
            for one, gateway in routes.items():
                try:
                    kernel.route(verb, dst=one, gateway=gateway, proto=PROTOCOL)
                except NetlinkError as error:
                    failed = True
                    log.warning("route %s %s via %s: %s", verb, one, gateway, error)
                else:
                    log.info("route %s %s via %s", verb, one, gateway)
    return failed


def _present(kernel: Any) -> dict[str, str]:
    """Our routes: range → gateway."""
    found = {}
    for route in kernel.get_routes(family=2, proto=PROTOCOL):
        attributes = dict(route["attrs"])
        if route["proto"] == PROTOCOL and "RTA_DST" in attributes:
            found[f"{attributes['RTA_DST']}/{route['dst_len']}"] = attributes.get("RTA_GATEWAY", "")
    return found
