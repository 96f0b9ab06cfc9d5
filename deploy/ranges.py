"""Which addresses a cluster's pods, Services and nodes have: chosen, and checked against the machine.

Defaults are kubeadm's customs; of a dual-stack cluster IPv4 comes first.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Final

from deploy.places import DNS_PLACE, Network
from deploy.preflight import Problem
from wherry.daemon.links import MODES, Link, LinksError, overlap, overlapping, read_links
from wherry.daemon.links import Network as Range

PODS: Final = ("10.244.0.0/16", "fd00:10:244::/48")
SERVICES: Final = ("10.96.0.0/16", "fd00:10:96::/112")
# Addresses nobody has (RFC 5737, RFC 3849): a machine's way to them is its default route.
ANYWHERE: Final = {4: "198.51.100.1", 6: "2001:db8::1"}


def choose(pods: str, services: str, *, dual_stack: bool, mode: str) -> Network:
    """The cluster's network from a person's words, "" being the default. Problem names what is wrong."""
    if mode not in MODES:
        raise Problem(f"--pod-network {mode}: one of {', '.join(MODES)}", "--pod-network auto")
    pod_ranges = _read("--pod-network-cidr", pods or ",".join(PODS[: 2 if dual_stack else 1]))
    dual = len(pod_ranges) > 1
    service_ranges = _read("--service-cidr", services or ",".join(SERVICES[: 2 if dual else 1]))
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


def _read(flag: str, text: str) -> list[Range]:
    try:
        found = [ip_network(part.strip()) for part in text.split(",")]
    except ValueError as error:
        raise Problem(f"{flag}: {error}", f"{flag} {PODS[0]}") from error
    if len(found) != len({one.version for one in found}):
        raise Problem(f"{flag} {text}: at most one range of each IP family", f"{flag} {PODS[0]}")
    return found


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
                f"this machine has no default route for IPv{version}", "wherry up --node-ip ADDRESS"
            ) from error
        return str(probe.getsockname()[0])


def need_room(network: Network) -> None:
    """Problem when the machine is on a network that the pods' or Services' ranges lie over."""
    try:
        links = asyncio.run(read_links())
    except LinksError as error:
        raise Problem(str(error), "apt-get install iproute2") from error
    if found := conflict(network, links):
        raise Problem(found, "wherry up --pod-network-cidr RANGE --service-cidr RANGE")


def conflict(network: Network, links: Sequence[Link]) -> str:
    """The first range that lies over a network the machine is on, in words; "" without one."""
    for whose, texts in (("pods'", network.pods), ("Services'", network.services)):
        for text in texts.split(","):
            if found := overlapping(ip_network(text), links):
                link, taken = found
                return f"the {whose} range {text} overlaps {taken}, which this machine is on ({link.name})"  # fmt: skip
    return ""
