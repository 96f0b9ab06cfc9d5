"""The kernel's side of the pod network: what it holds of ours, and how it is brought to a plan.

Read by `ip -j`, which stays fast with thousands of routes; written by netlink (pyroute2, 13 MiB, is
imported only when there is something to write: a cluster of one node never needs it). Our routes
carry a protocol number of their own and our interfaces fixed names, so they are known after a
restart and nobody else's are touched.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Final, ParamSpec

import orjson

from proxy.commands import CommandError, run
from proxy.routes import VXLAN_ID, VXLAN_PORT, Forward, Neighbour, Plan, Route, Vtep
from wherry.daemon.links import BRIDGE, VTEPS, Network

P = ParamSpec("P")
log = logging.getLogger(__name__)

PROTOCOL: Final = 87  # of our routes in the kernel's table
_DEVICES: Final = frozenset(VTEPS.values())


@dataclass(frozen=True, slots=True)
class Difference:
    """What is to be written, in the order in which it is: first what goes, then what comes.

    renewed: interfaces that are there but wrong, or must go: with them goes all that hangs on them
    routes:  to set; `known` are those whose place in the table is ours already
    """

    routes_gone: tuple[Network, ...] = ()
    neighbours_gone: tuple[Neighbour, ...] = ()
    forwards_gone: tuple[Forward, ...] = ()
    vteps_gone: tuple[str, ...] = ()
    vteps: tuple[tuple[str, Vtep], ...] = ()
    forwards: tuple[Forward, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    routes: tuple[tuple[Network, Route], ...] = ()
    known: frozenset[Network] = field(default_factory=frozenset)

    @property
    def is_empty(self) -> bool:
        return not (
            self.routes_gone or self.neighbours_gone or self.forwards_gone or self.vteps_gone
            or self.vteps or self.forwards or self.neighbours or self.routes
        )  # fmt: skip


def difference(present: Plan, wanted: Plan) -> Difference:
    """What turns `present` into `wanted`. An interface that changes is made anew with all its entries."""
    gone = frozenset(name for name, vtep in present.vteps.items() if wanted.vteps.get(name) != vtep)
    routes = {one: route for one, route in present.routes.items() if route.device not in gone}
    # The kernel refuses to move a route that its own gateway would be reached by.
    moved = {
        one for one, route in routes.items()
        if one not in wanted.routes or wanted.routes[one].device != route.device
    }  # fmt: skip
    neighbours = {one for one in present.neighbours if one.device not in gone}
    forwards = {one for one in present.forwards if one.device not in gone}
    return Difference(
        tuple(one for one in routes if one in moved),
        tuple(sorted(neighbours - wanted.neighbours, key=str)),
        tuple(sorted(forwards - wanted.forwards, key=str)),
        tuple(sorted(gone)),
        tuple(
            (name, vtep) for name, vtep in sorted(wanted.vteps.items())
            if present.vteps.get(name) != vtep
        ),
        tuple(sorted(wanted.forwards - forwards, key=str)),
        tuple(sorted(wanted.neighbours - neighbours, key=str)),
        tuple((one, route) for one, route in wanted.routes.items() if routes.get(one) != route),
        frozenset(routes.keys() - moved),
    )  # fmt: skip


async def read() -> Plan:
    """What the kernel holds of ours; CommandError when it cannot be told."""
    four, six, devices = await asyncio.gather(
        _json("ip", "-j", "-4", "route", "show", "proto", str(PROTOCOL)),
        _json("ip", "-j", "-6", "route", "show", "proto", str(PROTOCOL)),
        _json("ip", "-j", "-d", "address", "show", "type", "vxlan"),
    )
    vteps = parse_vteps(devices)
    if not vteps:
        return Plan(parse_routes([*four, *six]))
    tables = [
        await _json("ip", "-j", "neigh", "show", "nud", "permanent"),
        *[await _json("bridge", "-j", "fdb", "show", "dev", name) for name in vteps],
    ]
    forwards = [parse_forwards(table, name) for name, table in zip(vteps, tables[1:], strict=True)]
    return Plan(
        parse_routes([*four, *six]),
        vteps,
        parse_neighbours(tables[0]),
        frozenset().union(*forwards),
    )


async def _json(*command: str) -> list[dict[str, Any]]:
    try:
        tree = orjson.loads(await run(command) or "[]")
    except orjson.JSONDecodeError as error:
        raise CommandError(command, None, f"prints no JSON: {error}") from error
    return [one for one in tree if isinstance(one, dict) and one]


def parse_routes(tree: Iterable[dict[str, Any]]) -> dict[Network, Route]:
    """`ip -j route`: by pod range. A route without gateway is none of ours."""
    return {
        ip_network(one["dst"]): Route(
            ip_address(one["gateway"]), one["dev"] if one["dev"] in _DEVICES else ""
        )
        for one in tree
        if "gateway" in one and one.get("dst", "default") != "default"
    }


def parse_vteps(tree: Iterable[dict[str, Any]]) -> dict[str, Vtep]:
    """`ip -j -d address`: our interfaces. One with another id, port or that is down gets MTU 0: wrong."""
    found = {}
    for one in tree:
        if one["ifname"] not in _DEVICES:
            continue
        data = one.get("linkinfo", {}).get("info_data", {})
        right = (
            data.get("id") == VXLAN_ID and data.get("port") == VXLAN_PORT
            and data.get("learning") is False and "UP" in one["flags"]
        )  # fmt: skip
        inner = {
            ip_address(info["local"])
            for info in one.get("addr_info", ())
            if info.get("scope") != "link"
        }
        found[one["ifname"]] = Vtep(
            ip_address(data.get("local") or data.get("local6") or "::"),
            one["address"],
            one["mtu"] if right else 0,
            frozenset(inner),
        )
    return found


def parse_neighbours(tree: Iterable[dict[str, Any]]) -> frozenset[Neighbour]:
    """`ip -j neigh`: those on our interfaces."""
    return frozenset(
        Neighbour(one["dev"], ip_address(one["dst"]), one["lladdr"])
        for one in tree
        if one.get("dev") in _DEVICES and "lladdr" in one
    )


def parse_forwards(tree: Iterable[dict[str, Any]], device: str) -> frozenset[Forward]:
    """`bridge -j fdb show dev DEVICE`."""
    return frozenset(
        Forward(device, one["mac"], ip_address(one["dst"])) for one in tree if "dst" in one
    )


async def bring_to(wanted: Plan) -> list[str]:
    """Make the kernel hold exactly this of ours; what it refused, one line each."""
    change = difference(await read(), wanted)
    return [] if change.is_empty else await asyncio.to_thread(write, change)


def write(change: Difference) -> list[str]:
    """Write a difference, one thing after the other; what was refused, one line each."""
    from pyroute2.iproute.linux import IPRoute

    with IPRoute() as kernel:
        return _Writer(kernel).write(change)


class _Writer:
    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._problems: list[str] = []
        self._index: dict[str, int] = {}

    def write(self, change: Difference) -> list[str]:
        for one in change.routes_gone:
            self._try(f"route to {one} removed", self._remove_route, one)
        for neighbour in change.neighbours_gone:
            self._try(f"{neighbour.address} removed", self._neighbour, "del", neighbour)
        for forward in change.forwards_gone:
            self._try(f"{forward.mac} removed", self._forward, "del", forward)
        for name in change.vteps_gone:
            self._try(f"{name} removed", self._remove_vtep, name)
        for name, vtep in change.vteps:
            self._try(f"{name} made, MTU {vtep.mtu}", self._make_vtep, name, vtep)
        for forward in change.forwards:
            self._try(f"{forward.mac} is at {forward.to}", self._forward, "add", forward)
        for neighbour in change.neighbours:
            what = f"{neighbour.address} is {neighbour.mac}"
            self._try(what, self._neighbour, "replace", neighbour)
        for one, route in change.routes:
            what = f"route to {one} via {route.gateway} {route.device}".rstrip()
            self._try(what, self._set_route, one, route, one in change.known)
        return self._problems

    def _try(self, what: str, work: Callable[P, None], *given: P.args, **named: P.kwargs) -> None:
        """Do it and say so; a refusal is a problem, and the rest goes on."""
        from pyroute2.netlink.exceptions import NetlinkError

        try:
            work(*given, **named)
        except (NetlinkError, OSError) as error:
            self._problems.append(f"not {what}: {error}")
        else:
            log.info("%s", what)

    def _of(self, name: str) -> int:
        """An interface's index."""
        if name not in self._index:
            found = self._kernel.link_lookup(ifname=name)
            if not found:
                raise OSError(f"there is no {name}")
            self._index[name] = found[0]
        return self._index[name]

    def _make_vtep(self, name: str, vtep: Vtep) -> None:
        local = "vxlan_local" if vtep.local.version == 4 else "vxlan_local6"
        self._kernel.link(
            "add", ifname=name, kind="vxlan", vxlan_id=VXLAN_ID, vxlan_port=VXLAN_PORT,
            vxlan_learning=0, address=vtep.mac, mtu=vtep.mtu, **{local: str(vtep.local)},
        )  # fmt: skip
        self._kernel.link("set", index=self._of(name), state="up")
        for address in vtep.addresses:
            self._kernel.addr(
                "add", index=self._of(name), address=str(address), prefixlen=address.max_prefixlen
            )

    def _neighbour(self, verb: str, one: Neighbour) -> None:
        self._kernel.neigh(
            verb, ifindex=self._of(one.device), dst=str(one.address), lladdr=one.mac,
            family=_family(one.address.version), state="permanent",
        )  # fmt: skip

    def _forward(self, verb: str, one: Forward) -> None:
        self._kernel.fdb(verb, ifindex=self._of(one.device), lladdr=one.mac, dst=str(one.to))

    def _remove_vtep(self, name: str) -> None:
        self._kernel.link("del", index=self._of(name))
        del self._index[name]

    def _remove_route(self, one: Network) -> None:
        self._kernel.route("del", dst=str(one), family=_family(one.version), proto=PROTOCOL)

    def _set_route(self, one: Network, route: Route, known: bool) -> None:
        # "add" refuses to take the place of somebody else's route; "replace" would not.
        more = {"oif": self._of(route.device), "flags": ["onlink"]} if route.device else {}
        self._kernel.route(
            "replace" if known else "add", dst=str(one), gateway=str(route.gateway),
            family=_family(one.version), proto=PROTOCOL, **more,
        )  # fmt: skip


def _family(version: int) -> int:
    return 2 if version == 4 else 10


async def set_bridge_mtu(present: int, wanted: int) -> None:
    """Give the pods' bridge, made with another MTU before, the one that new pods get."""
    if present != wanted:
        await run(("ip", "link", "set", "dev", BRIDGE, "mtu", str(wanted)))
        log.info("%s has MTU %d", BRIDGE, wanted)
