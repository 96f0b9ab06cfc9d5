"""Three machines with a pod each: n1 and n2 on one network, n3 behind a router; a stranger outside.

    p1 ─ n1 ┐                              o  192.0.2.2, which knows no pods
    p2 ─ n2 ┴ 172.31.1.0/24 ─ r ─ 172.31.2.0/24 ─ n3 ─ p3

Each is a network namespace; the router lets pass only what has a node's address as its source, as
clouds do.
"""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxy.podnetwork import PodNetwork, cluster_ranges
from tests.integration.proxy import echo
from tests.integration.proxy.network import Network, sh
from wherry.api.core_v1 import Node

SUBNET = {"n1": 1, "n2": 1, "n3": 2}
MACHINES = tuple(SUBNET)
MTU = 1450  # of the pods' interfaces: 1500 less VXLAN's headers
STRANGER = "192.0.2.2"
DEADLINE_SECONDS = 60.0


def address(machine: str, version: int = 4) -> str:
    number = f"{SUBNET[machine]}"
    return f"172.31.{number}.1{machine[1]}" if version == 4 else f"fd31:{number}::1{machine[1]}"


def pod_range(machine: str, version: int = 4) -> str:
    return f"10.244.{machine[1]}.0/24" if version == 4 else f"fd10:0:0:{machine[1]}::/64"


def pod(machine: str, version: int = 4) -> str:
    return f"10.244.{machine[1]}.2" if version == 4 else f"fd10:0:0:{machine[1]}::2"


def node(machine: str) -> Node:
    """The machine's Node, dual stack."""
    ranges = [pod_range(machine), pod_range(machine, 6)]
    return Node.from_wire(
        {
            "metadata": {"name": machine},
            "spec": {"podCIDR": ranges[0], "podCIDRs": ranges},
            "status": {
                "addresses": [
                    {"type": "InternalIP", "address": address(machine, version)}
                    for version in (4, 6)
                ]
            },
        }
    )


@dataclass
class KnownNodes:
    """The Nodes that a test says there are."""

    nodes: list[Node] = field(default_factory=lambda: [node(one) for one in MACHINES])
    handlers: list[Callable[[Node | None, Node | None], None]] = field(default_factory=list)

    def list(self) -> list[Node]:
        return self.nodes

    def add_handler(self, handler: Callable[[Node | None, Node | None], None]) -> None:
        self.handlers.append(handler)

    async def synced(self) -> None:
        return

    def remove(self, name: str) -> None:
        [gone] = [one for one in self.nodes if one.metadata.name == name]
        self.nodes.remove(gone)
        for handler in self.handlers:
            handler(gone, None)


def pod_network(
    machine: str, nodes: KnownNodes, mode: Any, say: Callable[[str], None]
) -> PodNetwork:
    return PodNetwork(nodes, machine, mode, cluster_ranges(["10.244.0.0/16", "fd10::/56"]), say=say)


@dataclass
class Site(Network):
    """Namespaces `<prefix>-r`, `-o`, `-n1`, `-p1` ..."""

    def look(self, mode: Any = "auto", machines: Sequence[str] = MACHINES) -> dict[str, list[str]]:
        """Machines' pod networks brought to what they should be; the problems by machine."""
        known = KnownNodes()

        def one(machine: str) -> list[str]:
            made = pod_network(machine, known, mode, lambda words: None)
            return self.inside(made.look, DEADLINE_SECONDS, name=machine)

        with ThreadPoolExecutor(len(machines)) as pool:
            return dict(zip(machines, pool.map(one, machines), strict=True))

    def echo(self, source: str, target: str, size: int = 0) -> bool:
        """Whether one packet of `size` bytes with its IP header, not to be cut, is answered."""
        where = f"--net=/run/netns/{self.space(source)}"
        command = ["nsenter", where, sys.executable, echo.__file__, target, str(size)]
        return subprocess.run(command, check=False, timeout=20).returncode == 0


def sites(directory: Path) -> Iterator[Site]:
    """A generator for a fixture: one site, torn down afterwards."""
    net = Site(f"pn{uuid.uuid4().hex[:6]}", [])
    pods = [f"p{one[1]}" for one in MACHINES]
    names = ("r", "o", *MACHINES, *pods)
    for name in names:
        sh("ip", "netns", "add", net.space(name))
    try:
        for name in names:
            net.run(name, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
            net.run(name, "ip", "link", "set", "lo", "up")
        _router(net)
        for machine in MACHINES:
            _machine(net, machine)
            net.httpd(f"p{machine[1]}", 8080, f"pod {machine}", str(directory))
        yield net
    finally:
        for server in net.servers:
            server.kill()
            server.wait()
        for name in names:
            sh("ip", "netns", "del", net.space(name), check=False)


def _router(net: Site) -> None:
    # Its rules are a router's: what stays on one network passes them by.
    settings = (
        "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
        "net.bridge.bridge-nf-call-iptables=0", "net.bridge.bridge-nf-call-ip6tables=0",
    )  # fmt: skip
    net.run("r", "sysctl", "-qw", *settings)
    for subnet in (1, 2):
        net.run("r", "ip", "link", "add", f"br{subnet}", "type", "bridge")
        _up(net, "r", f"br{subnet}", f"172.31.{subnet}.1/24", f"fd31:{subnet}::1/64")
    net.run("r", "ip", "link", "add", "out", "type", "veth", "peer", "name", "eth0", "netns", net.space("o"))  # fmt: skip
    _up(net, "r", "out", "192.0.2.1/24", "fd00:99::1/64")
    _up(net, "o", "eth0", f"{STRANGER}/24", "fd00:99::2/64")
    for way in (("-4", "172.31.0.0/16", "192.0.2.1"), ("-6", "fd31::/16", "fd00:99::1")):
        net.run("o", "ip", way[0], "route", "add", way[1], "via", way[2])
    net.run("r", "nft", "add table inet f; add chain inet f forward"
            " { type filter hook forward priority 0; };"
            " add rule inet f forward ip saddr 10.244.0.0/16 drop;"
            " add rule inet f forward ip6 saddr fd10::/16 drop")  # fmt: skip


def _machine(net: Site, machine: str) -> None:
    subnet, inner = SUBNET[machine], f"p{machine[1]}"
    net.run("r", "ip", "link", "add", machine, "type", "veth", "peer", "name", "eth0", "netns", net.space(machine))  # fmt: skip
    net.run("r", "ip", "link", "set", machine, "up", "master", f"br{subnet}")
    _up(net, machine, "eth0", f"{address(machine)}/24", f"{address(machine, 6)}/64")
    net.run(machine, "ip", "link", "add", "wherry0", "type", "bridge")
    _up(net, machine, "wherry0", f"10.244.{machine[1]}.1/24", f"fd10:0:0:{machine[1]}::1/64")
    net.run(machine, "ip", "link", "add", "v0", "mtu", str(MTU), "type", "veth", "peer", "name",
            "eth0", "mtu", str(MTU), "netns", net.space(inner))  # fmt: skip
    net.run(machine, "ip", "link", "set", "v0", "up", "master", "wherry0")
    _up(net, inner, "eth0", f"{pod(machine)}/24", f"{pod(machine, 6)}/64")
    for where, four, six in (
        (machine, f"172.31.{subnet}.1", f"fd31:{subnet}::1"),
        (inner, f"10.244.{machine[1]}.1", f"fd10:0:0:{machine[1]}::1"),
    ):
        net.run(where, "ip", "route", "add", "default", "via", four)
        net.run(where, "ip", "-6", "route", "add", "default", "via", six)


def _up(net: Site, name: str, device: str, *addresses: str) -> None:
    for one in addresses:
        net.run(name, "ip", "addr", "add", one, "dev", device)
    net.run(name, "ip", "link", "set", device, "up")
