"""Which addresses a cluster's pods, Services and nodes have: chosen, and checked against the machine.

Defaults are kubeadm's customs; of a dual-stack cluster IPv4 comes first.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Final

from deploy.places import DNS_PLACE, Network
from deploy.preflight import Problem
from wherry.daemon.links import (
    BRIDGE,
    COMMAND_SECONDS_MAX,
    MODES,
    VTEPS,
    Link,
    LinksError,
    contains,
    overlap,
    overlapping,
    read_links,
)
from wherry.daemon.links import Network as Range

PODS: Final = ("10.244.0.0/16", "fd00:10:244::/48")
SERVICES: Final = ("10.96.0.0/16", "fd00:10:96::/112")
OURS: Final = {BRIDGE, *VTEPS.values()}
OTHER_RANGES: Final = "wherry up --pod-network-cidr RANGE --service-cidr RANGE"
# What fits: a node's share of the pods' range (/24, /64), its count (16 bits), upstream's 20 bits of Services.
POD_BITS: Final = {4: (8, 24), 6: (48, 64)}
SERVICE_BITS: Final = {4: (12, 28), 6: (108, 124)}
Way = tuple[Range, str]  # a network that is reached through an interface
# Addresses nobody has (RFC 5737, RFC 3849): a machine's way to them is its default route.
ANYWHERE: Final = {4: "198.51.100.1", 6: "2001:db8::1"}


def choose(pods: str, services: str, *, dual_stack: bool, mode: str) -> Network:
    """The cluster's network from a person's words, "" being the default. Problem names what is wrong."""
    if mode not in MODES:
        raise Problem(f"--pod-network {mode}: one of {', '.join(MODES)}", "--pod-network auto")
    pod_ranges = read("--pod-network-cidr", pods or ",".join(PODS[: 2 if dual_stack else 1]))
    _need_size("--pod-network-cidr", pod_ranges, POD_BITS)
    dual = len(pod_ranges) > 1
    service_ranges = read("--service-cidr", services or ",".join(SERVICES[: 2 if dual else 1]))
    _need_size("--service-cidr", service_ranges, SERVICE_BITS)
    for one in pod_ranges:
        for other in service_ranges:
            if overlap(one, other):
                raise Problem(
                    f"the pods' range {one} overlaps the Services' range {other}",
                    "choose another --pod-network-cidr or --service-cidr",
                )
    if dual_stack and not dual:
        raise Problem("--dual-stack needs a range of each IP family", f"--pod-network-cidr {PODS[0]},{PODS[1]}")  # fmt: skip
    if {one.version for one in service_ranges} != {one.version for one in pod_ranges}:
        raise Problem("pods and Services must have the same IP families", "give both ranges")
    first = service_ranges[0]
    return Network(
        ",".join(map(str, service_ranges)),
        ",".join(map(str, pod_ranges)),
        str(first[1]),
        str(first[DNS_PLACE]),
        mode=mode,
    )


def read(flag: str, text: str) -> list[Range]:
    """One range, or one of each IP family. Problem when it is something else."""
    try:
        found = [ip_network(part.strip()) for part in text.split(",")]
    except ValueError as error:
        raise Problem(f"{flag}: {error}", f"{flag} {PODS[0]}") from error
    if len(found) != len({one.version for one in found}):
        raise Problem(f"{flag} {text}: at most one range of each IP family", f"{flag} {PODS[0]}")
    return found


def _need_size(flag: str, found: Sequence[Range], bits: dict[int, tuple[int, int]]) -> None:
    for one in found:
        least, most = bits[one.version]
        if not least <= one.prefixlen <= most:
            raise Problem(
                f"{flag} {one}: an IPv{one.version} range from /{least} to /{most}",
                f"{flag} {one.network_address}/{most if one.prefixlen > most else least}",
            )


def node_addresses(given: str, network: Network) -> tuple[str, str]:
    """The machine's address, and in a dual-stack cluster the one of the other family ("" otherwise).

    given: --node-ip, "" to find them by the default routes
    """
    ones = [part.strip() for part in given.split(",") if part.strip()]
    try:
        versions = [ip_address(one).version for one in ones]
    except ValueError as error:
        raise Problem(f"--node-ip: {error}", "--node-ip ADDRESS") from error
    if len(versions) != len(set(versions)):
        raise Problem(f"--node-ip {given}: at most one of each IP family", "--node-ip ADDRESS")
    wanted = [ip_network(one).version for one in network.pods.split(",")]
    ones += [by_route(version) for version in wanted if version not in versions]
    return ones[0], ones[1] if len(wanted) > 1 else ""


def by_route(version: int) -> str:
    """The address this machine would use to reach others; Problem when it has none.

    No packet is sent: connecting a datagram socket only asks the routing table.
    """
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((ANYWHERE[version], 9))
        except OSError as error:
            raise Problem(
                f"this machine has no default route for IPv{version}", "--node-ip ADDRESS"
            ) from error
        return str(probe.getsockname()[0])


def need_room(network: Network, fix: str = OTHER_RANGES, *, routes: bool = True) -> None:
    """Problem when the machine is on a network, or has a way to one, that the cluster's ranges lie over.

    routes: whether ways count; of a cluster that ran here some may be its own
    """
    try:
        links = asyncio.run(read_links())
        ways = _read_ways() if routes else []
    except (LinksError, OSError, subprocess.SubprocessError, ValueError) as error:
        raise Problem(f"this machine's networks can't be read: {error}", "ip -j route") from error
    if found := conflict(network, links, ways):
        raise Problem(found, fix)


def conflict(network: Network, links: Sequence[Link], ways: Sequence[Way] = ()) -> str:
    """The first range that lies over one of the machine's networks, in words; "" without one.

    Of ways only those count that lie within a range: they would win over the cluster's own, while a
    wider one (all of 10.0.0.0/8 behind a tunnel) loses to them.
    """
    for whose, texts in (("pods'", network.pods), ("Services'", network.services)):
        for one in map(ip_network, texts.split(",")):
            words = f"the {whose} range {one} overlaps"
            if found := overlapping(one, links):
                link, taken = found
                return f"{words} {taken}, which this machine is on ({link.name})"
            for way, device in ways:
                if contains(one, way):
                    return f"{words} {way}, to which this machine has a route (dev {device})"
    return ""


def _read_ways() -> list[Way]:
    """The main table's routes but default ones and those of a pod network of ours."""
    found = []
    for family in ("-4", "-6"):
        done = subprocess.run(
            ("ip", "-j", family, "route", "show", "table", "main"),
            capture_output=True, timeout=COMMAND_SECONDS_MAX, check=True,
        )  # fmt: skip
        for one in json.loads(done.stdout or b"[]"):
            device = one.get("dev", one.get("type", "?"))
            if one["dst"] != "default" and device not in OURS:
                found.append((ip_network(one["dst"], strict=False), device))
    return [one for one in found if not one[0].is_link_local]
