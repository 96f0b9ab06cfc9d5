"""The kernel's side of the pod network: what it holds of ours, and how it is brought to a plan.

Read by `ip -j`, which stays fast with thousands of routes; written by netlink (`proxy.netlink`). Our
routes carry a protocol number of their own and our interfaces fixed names, so they are known after a
restart and nobody else's are touched.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Final

import orjson

from proxy.commands import CommandError, run
from proxy.netlink import NO_DEVICE, Step
from proxy.routes import VXLAN_ID, VXLAN_PORT, Forward, Neighbour, Plan, Route, Vtep
from wherry.daemon.links import BRIDGE, VTEPS, Network

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
    return await write(difference(await read(), wanted))


async def write(change: Difference) -> list[str]:
    """Have a difference written; what was refused, one line each."""
    named = steps(change)
    if not named:
        return []
    program = (sys.executable, "-P", "-m", "proxy.netlink")  # -P: not from where we stand
    told = orjson.dumps([step for _, step in named]).decode()
    answers = orjson.loads(await run(program, told))
    problems = []
    for (what, _), answer in zip(named, answers, strict=True):
        if answer is None:
            log.info("%s", what)
        elif "Operation not supported" in answer and what.startswith(tuple(_DEVICES)):
            problems.append("this kernel has no VXLAN: nodes on other networks cannot be reached")
        elif not (problems and answer.startswith(NO_DEVICE)):  # one cause is told once
            problems.append(f"not {what}: {answer}")
    return problems


def steps(change: Difference) -> list[tuple[str, Step]]:
    """A difference as steps for `proxy.netlink`, each with what it does in words."""
    return [
        *((f"route to {one} removed", ("route", "del", _route(one))) for one in change.routes_gone),
        *(
            (f"{one.address} removed", ("neigh", "del", _neighbour(one)))
            for one in change.neighbours_gone
        ),
        *((f"{one.mac} removed", ("fdb", "del", _forward(one))) for one in change.forwards_gone),
        *((f"{name} removed", ("link", "del", {"device": name})) for name in change.vteps_gone),
        *(step for name, vtep in change.vteps for step in _vtep(name, vtep)),
        *((f"{one.mac} is at {one.to}", ("fdb", "add", _forward(one))) for one in change.forwards),
        *(
            (f"{one.address} is {one.mac}", ("neigh", "replace", _neighbour(one)))
            for one in change.neighbours
        ),
        *(_set_route(one, route, one in change.known) for one, route in change.routes),
    ]


def _route(one: Network) -> dict[str, Any]:
    return {"dst": str(one), "family": _family(one.version), "proto": PROTOCOL}


def _set_route(one: Network, route: Route, known: bool) -> tuple[str, Step]:
    # "add" refuses to take the place of somebody else's route; "replace" would not.
    way = {"by": route.device, "flags": ["onlink"]} if route.device else {}
    what = f"route to {one} via {route.gateway} {route.device}".rstrip()
    told = {**_route(one), "gateway": str(route.gateway), **way}
    return what, ("route", "replace" if known else "add", told)


def _neighbour(one: Neighbour) -> dict[str, Any]:
    return {
        "device": one.device, "dst": str(one.address), "lladdr": one.mac,
        "family": _family(one.address.version), "state": "permanent",
    }  # fmt: skip


def _forward(one: Forward) -> dict[str, Any]:
    return {"device": one.device, "lladdr": one.mac, "dst": str(one.to)}


def _vtep(name: str, vtep: Vtep) -> list[tuple[str, Step]]:
    local = "vxlan_local" if vtep.local.version == 4 else "vxlan_local6"
    made = {
        "ifname": name, "kind": "vxlan", "vxlan_id": VXLAN_ID, "vxlan_port": VXLAN_PORT,
        "vxlan_learning": 0, "address": vtep.mac, "mtu": vtep.mtu, local: str(vtep.local),
    }  # fmt: skip
    return [
        (f"{name} made, MTU {vtep.mtu}", ("link", "add", made)),
        (f"{name} up", ("link", "set", {"device": name, "state": "up"})),
        *(
            (
                f"{name} has {one}",
                ("addr", "add", {"device": name, "address": str(one), "prefixlen": one.max_prefixlen}),
            )
            for one in sorted(vtep.addresses, key=str)
        ),
    ]  # fmt: skip


def _family(version: int) -> int:
    return 2 if version == 4 else 10


async def set_bridge_mtu(present: int, wanted: int) -> None:
    """Give the pods' bridge, made with another MTU before, the one that new pods get."""
    if present != wanted:
        await run(("ip", "link", "set", "dev", BRIDGE, "mtu", str(wanted)))
        log.info("%s has MTU %d", BRIDGE, wanted)
