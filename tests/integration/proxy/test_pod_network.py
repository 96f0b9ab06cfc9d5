"""The pod network between machines, in a real kernel: routes, VXLAN, MTU, masquerade, repairs."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy import podnetwork
from tests.integration.proxy.machines import (
    MACHINES,
    MTU,
    STRANGER,
    KnownNodes,
    Site,
    address,
    node,
    pod,
    pod_network,
    sites,
)
from wherry.api.core_v1 import Node

DEADLINE_SECONDS = 60.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if os.geteuid() != 0 or not all(map(shutil.which, ("nft", "ip", "busybox", "curl"))):
        pytest.skip("needs root, nft, ip, busybox and curl")
    yield from sites(Path(tmp_path_factory.mktemp("site")))


def reached(site: Site, source: str, target: str, version: int = 4) -> bool:
    host = pod(target, version)
    url = f"http://[{host}]:8080" if version == 6 else f"http://{host}:8080"
    return site.curl(source, url) == f"pod {target}"


def seen_from(site: Site, source: str, name: str, address: str) -> str:
    """The source address that a server in a namespace sees when another namespace asks it."""
    family = "TCP6" if ":" in address else "TCP4"
    program = (
        "import socket,sys\n"
        f"s=socket.create_server(({address!r},7777),"
        f"family=socket.AF_INET{'6' if ':' in address else ''})\n"
        "s.settimeout(10)\nprint('ready',flush=True)\n"
        "c,a=s.accept()\nprint(a[0])\n"
    )
    with subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{site.space(name)}", sys.executable, "-c", program],
        stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n", family
        site.run(source, "curl", "-s", "--max-time", "5", f"http://{'[' + address + ']' if ':' in address else address}:7777", check=False)  # fmt: skip
        return server.stdout.readline().strip()


@pytest.mark.parametrize("mode", ["auto", "vxlan"])
def test_every_pod_reaches_every_pod_with_its_own_address(site: Site, mode: str) -> None:
    assert site.look(mode) == {machine: [] for machine in MACHINES}
    for version in (4, 6):
        for source in ("p1", "p3"):
            assert all(reached(site, source, target, version) for target in MACHINES), version
        assert reached(site, "n1", "n3", version), "machines reach pods, too"
        assert reached(site, "n1", "n2", version)
        assert site.echo("p1", pod("n3", version), MTU), "a packet of full size fits"
        assert site.echo("p1", pod("n2", version), MTU)
        assert not site.echo("p1", pod("n3", version), MTU + 1)
        for target in ("n2", "n3"):
            seen = seen_from(site, "p1", f"p{target[1]}", pod(target, version))
            assert seen == pod("n1", version)
    routes = site.run("n1", "ip", "route")
    direct = f"10.244.2.0/24 via {address('n2')} dev eth0" in routes
    assert direct == (mode == "auto")
    assert "10.244.3.0/24 via 10.244.3.0 dev wherry-vxlan" in routes


def test_only_what_leaves_the_cluster_gets_the_nodes_address(site: Site) -> None:
    site.look("auto")
    for version, outside in ((4, STRANGER), (6, "fd00:99::2")):
        assert seen_from(site, "p1", "o", outside) == address("n1", version)
        assert seen_from(site, "p1", "n2", address("n2", version)) == pod("n1", version)
        # Beyond a router that would drop a pod's address.
        assert seen_from(site, "p1", "n3", address("n3", version)) == address("n1", version)
    site.look("vxlan")
    assert seen_from(site, "p1", "n2", address("n2")) == address("n1")


def test_strangers_cannot_speak_vxlan_to_a_node(site: Site) -> None:
    site.look("auto")
    assert site.echo("p3", pod("n1"))
    nodes = KnownNodes([node("n1"), node("n2")])
    site.inside(pod_network("n1", nodes, "vxlan", print).look, name="n1")
    assert not site.echo("p3", pod("n1")), "n3 is no node of n1's any more"
    site.look("auto")
    assert site.echo("p3", pod("n1"))


def test_what_is_gone_is_removed_whole(site: Site) -> None:
    site.look("auto")
    nodes = KnownNodes()
    nodes.remove("n3")
    site.inside(pod_network("n1", nodes, "auto", print).look, name="n1")
    assert "10.244.3.0" not in site.run("n1", "ip", "route")
    assert "wherry-vxlan" not in site.run("n1", "ip", "-br", "link"), "nobody needs it any more"
    assert "10.244.2.0/24 via" in site.run("n1", "ip", "route")

    site.look("vxlan")
    nodes = KnownNodes([node("n1"), node("n2")])
    site.inside(pod_network("n1", nodes, "vxlan", print).look, name="n1")
    entries = site.run("n1", "bridge", "fdb", "show", "dev", "wherry-vxlan")
    assert (address("n2") in entries, address("n3") in entries) == (True, False)
    assert "10.244.3.0" not in site.run("n1", "ip", "neigh")


def test_modes_follow_each_other_without_traces(site: Site) -> None:
    for mode in ("vxlan", "auto", "direct"):
        problems = site.look(mode)
    assert "on no network of this machine" in problems["n1"][0]
    assert reached(site, "p1", "n2")
    assert not reached(site, "p1", "n3")
    assert "wherry-vxlan" not in site.run("n1", "ip", "-br", "link")
    assert "8472" not in site.run("n1", "iptables-save") + site.run("n1", "nft", "list", "ruleset")
    site.look("none")
    assert traces(site) == []
    site.look("vxlan", ["n1"])
    for _ in range(2):  # a second time does no harm
        site.inside(podnetwork.clean_up, name="n1")
    assert traces(site) == []


def traces(site: Site) -> list[str]:
    """What there is of ours on the machines."""
    shown = [
        ("ip", "route", "show", "proto", "87"), ("ip", "-6", "route", "show", "proto", "87"),
        ("ip", "-br", "link", "show", "type", "vxlan"), ("nft", "list", "ruleset"),
        ("iptables-save",), ("ip6tables-save",),
    ]  # fmt: skip
    found = []
    for machine in MACHINES:
        for command in shown:
            text = site.run(machine, *command)
            found += [
                f"{machine}: {line}" for line in text.splitlines()
                if "WHERRY" in line or "wherry" in line or "87" in command
            ]  # fmt: skip
    return found


# What other programs do to a machine's packet filter.
DOCKER = "iptables -P FORWARD DROP; iptables -N DOCKER-USER; iptables -A FORWARD -j DOCKER-USER"
UFW = (
    "iptables -P FORWARD DROP; iptables -P INPUT DROP; iptables -N ufw-user-forward;"
    " iptables -A FORWARD -j ufw-user-forward; ip6tables -P FORWARD DROP; ip6tables -P INPUT DROP;"
    " ip6tables -A INPUT -p ipv6-icmp -j ACCEPT; iptables -A INPUT -p icmp -j ACCEPT"
)
UNDO = (
    "iptables -P FORWARD ACCEPT; iptables -P INPUT ACCEPT; ip6tables -P FORWARD ACCEPT;"
    " ip6tables -P INPUT ACCEPT; iptables -F; ip6tables -F; iptables -X; ip6tables -X"
)


@pytest.mark.parametrize("firewall", [DOCKER, UFW], ids=["docker", "ufw"])
def test_pods_pass_beside_other_firewalls(site: Site, firewall: str) -> None:
    for machine in MACHINES:
        site.run(machine, "sh", "-c", firewall)
    try:
        others = site.run("n1", "iptables", "-S", "FORWARD")
        site.look("auto")
        for version in (4, 6):
            assert reached(site, "p1", "n3", version)
            assert reached(site, "p1", "n2", version)
        after = site.run("n1", "iptables", "-S", "FORWARD")
        assert set(others.splitlines()) <= set(after.splitlines()), "theirs is as it was"
    finally:
        for machine in MACHINES:
            site.run(machine, "sh", "-c", UNDO)


@contextmanager
def firewalld(site: Site, machine: str, directory: Path) -> Iterator[None]:
    """The real one, with a bus of its own; it refuses what it does not know."""
    where = ("nsenter", f"--net=/run/netns/{site.space(machine)}")
    bus = f"unix:path={directory}/bus"
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = bus
    processes = [
        subprocess.Popen([*where, "dbus-daemon", "--session", "--nofork", f"--address={bus}"])
    ]
    try:
        wait(lambda: (directory / "bus").exists())
        processes.append(subprocess.Popen([*where, "firewalld", "--nofork", "--nopid"]))
        wait(lambda: site.run(machine, "firewall-cmd", "--state", check=False) == "running\n")
        yield
    finally:
        for one in reversed(processes):
            one.terminate()
            one.wait()
        del os.environ["DBUS_SYSTEM_BUS_ADDRESS"]


def wait(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.1)


@pytest.mark.skipif(shutil.which("firewalld") is None, reason="needs firewalld")
def test_pods_pass_firewalld(site: Site, tmp_path: Path) -> None:
    site.look("auto")
    with firewalld(site, "n1", tmp_path):
        assert not reached(site, "p1", "n3"), "it refuses what it was not told of"
        site.look("auto")
        for version in (4, 6):
            assert reached(site, "p1", "n3", version)
            assert reached(site, "p3", "n1", version)
            assert reached(site, "p1", "n2", version)
        site.run("n1", "firewall-cmd", "--reload")
        site.look("auto")
        assert reached(site, "p3", "n1"), "asked again after a reload"


def test_what_others_flush_is_made_again_within_seconds(site: Site) -> None:
    site.look("auto")
    nodes = KnownNodes()
    said: list[str] = []

    def broken(*command: str) -> float:
        """Seconds from a hostile command until p1 reaches everybody again."""
        site.run("n1", *command)
        began = time.monotonic()
        while not (
            site.echo("p1", pod("n3")) and site.echo("p1", pod("n2")) and site.echo("p1", STRANGER)
        ):
            assert time.monotonic() - began < DEADLINE_SECONDS, f"{command} stays"
        return time.monotonic() - began

    async def hostile() -> None:
        running = asyncio.create_task(pod_network("n1", nodes, "auto", said.append).run())
        await asyncio.sleep(0)
        try:
            site.run("n1", "iptables", "-P", "FORWARD", "DROP")
            for command in (
                ("nft", "flush", "ruleset"),
                ("iptables", "-F"),
                ("ip", "route", "flush", "proto", "87"),
                ("ip", "link", "del", "wherry-vxlan"),
            ):
                await asyncio.to_thread(broken, *command)
            nodes.remove("n3")
            await eventually(lambda: "10.244.3.0" not in site.run("n1", "ip", "route"))
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            site.run("n1", "iptables", "-P", "FORWARD", "ACCEPT")

    site.inside(hostile, seconds=5 * DEADLINE_SECONDS, name="n1")
    assert said == []


async def eventually(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not await asyncio.to_thread(true):
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.05)


def test_a_range_of_the_machines_own_network_is_left_alone_and_said(site: Site) -> None:
    wrong = node("n2").to_wire()
    wrong["spec"]["podCIDRs"] = ["172.31.1.0/25"]
    nodes = KnownNodes([node("n1"), Node.from_wire(wrong), node("n3")])
    problems = site.inside(pod_network("n1", nodes, "auto", print).look, name="n1")
    assert problems == [
        "pod range 172.31.1.0/25 of node n2 overlaps 172.31.1.0/24, which this machine is on (eth0):"
        " choose another --cluster-cidr"
    ]
    assert site.echo("n1", address("n2"))
    assert reached(site, "p1", "n3"), "nothing else is disturbed"


def test_a_route_of_somebody_else_is_not_taken_over(site: Site) -> None:
    site.look("auto", ["n3"])
    site.look("none", ["n1"])
    site.run("n1", "ip", "route", "add", "10.244.2.0/24", "via", "172.31.1.1")
    try:
        problems = site.look("auto", ["n1"])["n1"]
        assert problems == ["not route to 10.244.2.0/24 via 172.31.1.12: (17, 'File exists')"]
        assert reached(site, "p1", "n3")
    finally:
        site.run("n1", "ip", "route", "del", "10.244.2.0/24", "via", "172.31.1.1")
