"""Pods on three machines: two on one network, one behind a router; both IP families."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from deploy import outages
from tests.e2e.support import IMAGE, WAIT_SECONDS, Cluster, wait
from tests.integration.proxy import echo

MACHINES = ("node1", "node2", "node3")  # node3 is behind a router
MTU = 1450
PAGE_MIB = 64


@pytest.fixture(scope="module", autouse=True)
def pods(site: Cluster) -> None:
    """One on each machine."""
    for machine in MACHINES:
        site.apply(pod(machine))
    for machine in MACHINES:
        wait(lambda m=machine: is_ready(site, m), f"{machine}'s pod")


def pod(machine: str) -> dict[str, Any]:
    serve = (
        f"mkdir /w && cd /w && echo {machine} > index.html"
        f" && dd if=/dev/zero of=big bs=1M count={PAGE_MIB} 2>/dev/null && exec httpd -f -p 80"
    )
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"on-{machine}", "labels": {"on": machine}},
        "spec": {
            "nodeName": machine,
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "web", "image": IMAGE, "command": ["sh", "-c", serve]}],
        },
    }


def is_ready(site: Cluster, machine: str) -> bool:
    status = site.get("pod", f"on-{machine}")["status"]
    return any(
        one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", ())
    )


def addresses(site: Cluster, machine: str) -> list[str]:
    """A machine's pod's: IPv4, IPv6."""
    return [one["ip"] for one in site.get("pod", f"on-{machine}")["status"]["podIPs"]]


def inside(site: Cluster, machine: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run this host's program in the network of a machine's pod."""
    client = site.docker(machine)
    try:
        labels = ["io.kubernetes.pod.name=on-" + machine, "io.kubernetes.container.name=web"]
        [found] = client.containers.list(filters={"label": labels}, ignore_removed=True)
        pid = found.attrs["State"]["Pid"]
    finally:
        client.close()
    return subprocess.run(
        ("nsenter", f"--net=/proc/{pid}/ns/net", *command),
        capture_output=True, text=True, check=False, timeout=WAIT_SECONDS,
    )  # fmt: skip


def url(address: str, path: str = "") -> str:
    return f"http://[{address}]/{path}" if ":" in address else f"http://{address}/{path}"


def fetch(site: Cluster, machine: str, address: str) -> str:
    """What a machine's pod is answered at an address, "" when nothing comes."""
    return inside(site, machine, "curl", "-s", "--max-time", "3", url(address)).stdout.strip()


def echoes(site: Cluster, machine: str, address: str, size: int = 0) -> bool:
    """Whether a packet of that size, which must not be cut, is answered."""
    return inside(site, machine, sys.executable, echo.__file__, address, str(size)).returncode == 0


def test_every_pod_reaches_every_pod_in_both_families(site: Cluster) -> None:
    for machine in MACHINES:
        found = addresses(site, machine)
        assert [":" in one for one in found] == [False, True]
        for source in MACHINES:
            for address in found:
                wait(
                    lambda s=source, a=address, m=machine: fetch(site, s, a) == m,
                    f"{source} → {address}",
                )
                assert echoes(site, source, address, MTU), f"{source} → {address}: full size"
                assert source == machine or not echoes(site, source, address, MTU + 1)
    wires = site.lab.wires
    routes = site.on("node1", "ip", "route")
    assert f"via {wires.address('node2')} dev eth0 proto 87" in routes, "direct on one network"
    assert "dev wherry-vxlan proto 87 onlink" in routes, "VXLAN beyond"
    node = site.get("node", "node1")
    assert [one["address"] for one in node["status"]["addresses"]] == [
        wires.address("node1"), wires.address6("node1"), "node1",
    ]  # fmt: skip


def test_large_transfers_work_on_both_ways(site: Cluster) -> None:
    for target in ("node2", "node3"):
        for address in addresses(site, target):
            done = inside(site, "node1", "curl", "-s", "--max-time", "50", "-o", "/dev/null",
                          "-w", "%{size_download}", url(address, "big"))  # fmt: skip
            assert int(done.stdout) == PAGE_MIB << 20


def heard(site: Cluster, where: tuple[str, ...], address: str, machine: str) -> str:
    """Whose address a server at `address` sees when a machine's pod comes to it."""
    family = "socket.AF_INET6" if ":" in address else "socket.AF_INET"
    program = (
        f"import socket\ns=socket.create_server(({address!r},7777),family={family})\n"
        "s.settimeout(30)\nprint('ready',flush=True)\nc,a=s.accept()\nprint(a[0])\n"
    )
    command = (*where, sys.executable, "-c", program)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        target = url(address).rstrip("/") + ":7777/"
        inside(site, machine, "curl", "-s", "--max-time", "5", target)
        return server.stdout.readline().strip()


def test_pods_show_their_own_address_within_the_cluster_only(site: Cluster) -> None:
    wires = site.lab.wires
    on_node2 = ("nsenter", f"--net=/run/netns/{wires.namespace('node2')}")
    outside = ("nsenter", f"--net=/run/netns/{wires.hub}")
    four, six = addresses(site, "node1")
    assert heard(site, on_node2, wires.address("node2"), "node1") == four
    assert heard(site, on_node2, wires.address6("node2"), "node1") == six
    assert heard(site, outside, wires.gateway(0), "node1") == wires.address("node1")
    assert heard(site, outside, wires.gateway6(0), "node1") == wires.address6("node1")


@pytest.mark.parametrize(
    "hostile",
    [
        ("nft", "flush", "ruleset"),
        ("iptables", "-F"),
        ("ip", "route", "flush", "proto", "87"),
        ("ip", "link", "del", "wherry-vxlan"),
    ],
    ids=["nft", "iptables", "routes", "vxlan"],
)
def test_what_others_flush_comes_back(site: Cluster, hostile: tuple[str, ...]) -> None:
    near, far = addresses(site, "node2")[0], addresses(site, "node3")[0]
    wait(lambda: rules(site) == {"WHERRY-FORWARD", "wherry-pods"}, "the rules as they should be")
    site.on("node1", "iptables", "-P", "FORWARD", "DROP")
    try:
        site.on("node1", *hostile)
        wait(lambda: rules(site) == {"WHERRY-FORWARD", "wherry-pods"}, f"{hostile}: the rules")
        wait(lambda: fetch(site, "node1", near) == "node2", f"{hostile}: the near pod")
        wait(lambda: fetch(site, "node1", far) == "node3", f"{hostile}: the far pod")
    finally:
        site.on("node1", "iptables", "-P", "FORWARD", "ACCEPT")


def rules(site: Cluster) -> set[str]:
    """Which of our accepts and masquerade node1 has."""
    shown = site.on("node1", "iptables", "-S", "FORWARD") + site.on(
        "node1", "nft", "list", "tables"
    )
    return {one for one in ("WHERRY-FORWARD", "wherry-pods") if one in shown}


def test_a_cut_network_heals_by_itself(site: Cluster) -> None:
    far = addresses(site, "node3")[0]
    outages.cut(site.directory, "node1", "node3")
    try:
        assert fetch(site, "node1", far) == ""
        assert fetch(site, "node2", far) == "node3", "others go on"
    finally:
        outages.heal(site.directory)
    wait(lambda: fetch(site, "node1", far) == "node3", "the way to node3")


def test_a_range_over_the_machines_network_is_told_and_nothing_else_is_disturbed(
    site: Cluster,
) -> None:
    """A Node that nobody runs, with a pod range in which node1 and node2 themselves live."""
    wires = site.lab.wires
    stolen = wires.subnets[wires.place("node1")]
    ghost = {
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "ghost"},
        "spec": {"podCIDR": stolen, "podCIDRs": [stolen], "unschedulable": True},
    }  # fmt: skip
    site.apply(ghost)
    try:
        told = wait(lambda: said(site, "node1"), "an Event on node1")
        assert f"pod range {stolen} of node ghost overlaps {stolen}" in told
        assert "eth0" in told
        assert fetch(site, "node1", addresses(site, "node2")[0]) == "node2"
    finally:
        site.kubectl("delete", "node", "ghost", "--wait=false")


def said(site: Cluster, node: str) -> str:
    events = site.get("events", "-A", "--field-selector", "reason=PodNetworkProblem")["items"]
    return next((e["message"] for e in events if e["involvedObject"]["name"] == node), "")


def test_a_node_that_is_removed_leaves_no_route(site: Cluster) -> None:
    """The last test of all that use this lab: node3's machine stays off."""
    outages.stop(site.directory, "node3")
    site.kubectl("delete", "node", "node3")
    wait(lambda: "wherry-vxlan" not in site.on("node1", "ip", "route"), "no route to node3's pods")
    assert "wherry-vxlan" not in site.on("node1", "ip", "-br", "link"), "nobody needs it any more"
    assert fetch(site, "node1", addresses(site, "node2")[0]) == "node2"
