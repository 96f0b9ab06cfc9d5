"""Routes to other nodes' pods: the plan, by examples and by properties."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.routes import Peer, Plan, Route, is_near, peer, plan, vtep_mac
from wherry.api.core_v1 import Node
from wherry.daemon.links import MODES, Link, overlap, overlapping

LAN = Link("eth0", 1500, True, (ip_interface("172.31.0.1/24"), ip_interface("fd31::1/64")))
LINKS = (Link("lo", 65536, True, (ip_interface("127.0.0.1/8"),)), LAN)


def node(name: str, pod_cidrs: list[str], *addresses: str, **metadata: str) -> Node:
    return Node.from_wire(
        {
            "metadata": {"name": name, **metadata},
            "spec": {"podCIDR": pod_cidrs[0] if pod_cidrs else "", "podCIDRs": pod_cidrs},
            "status": {"addresses": [
                {"type": "Hostname", "address": name},
                *({"type": "InternalIP", "address": one} for one in addresses),
            ]},
        }
    )  # fmt: skip


def drawn(mode: Any, *nodes: Node, links: tuple[Link, ...] = LINKS) -> Plan:
    return plan(map(peer, nodes), "me", links, mode)


def routes(made: Plan) -> dict[str, str]:
    return {str(one): f"{r.gateway} {r.device}".strip() for one, r in made.routes.items()}


ME = node("me", ["10.244.0.0/24", "fd10::/64"], "172.31.0.1", "fd31::1")
NEAR = node("near", ["10.244.1.0/24", "fd10:0:0:1::/64"], "172.31.0.2", "fd31::2")
FAR = node("far", ["10.244.2.0/24", "fd10:0:0:2::/64"], "172.31.9.3", "fd99::3")


def test_auto_is_direct_on_the_same_network_and_vxlan_beyond() -> None:
    made = drawn("auto", ME, NEAR, FAR)
    assert routes(made) == {
        "10.244.1.0/24": "172.31.0.2",
        "fd10:0:0:1::/64": "fd31::2",
        "10.244.2.0/24": "10.244.2.0 wherry-vxlan",
        "fd10:0:0:2::/64": "fd10:0:0:2:: wherry-vxlan",
    }
    assert made.problems == ()
    [(name, vtep)] = made.vteps.items()
    assert (name, str(vtep.local), vtep.mtu) == ("wherry-vxlan", "172.31.0.1", 1450)
    assert vtep.mac == vtep_mac("me")
    assert set(map(str, vtep.addresses)) == {"10.244.0.0", "fd10::"}
    assert {(str(one.address), one.mac) for one in made.neighbours} == {
        ("10.244.2.0", vtep_mac("far")),
        ("fd10:0:0:2::", vtep_mac("far")),
    }
    assert {(one.mac, str(one.to)) for one in made.forwards} == {(vtep_mac("far"), "172.31.9.3")}


def test_direct_says_who_cannot_be_reached_and_vxlan_takes_all() -> None:
    made = drawn("direct", ME, NEAR, FAR)
    assert set(routes(made)) == {"10.244.1.0/24", "fd10:0:0:1::/64"}
    assert made.vteps == {}
    assert made.problems == (
        "pod range 10.244.2.0/24 of node far cannot be reached directly: 172.31.9.3 is on no"
        " network of this machine; --pod-network=auto would use VXLAN",
        "pod range fd10:0:0:2::/64 of node far cannot be reached directly: fd99::3 is on no"
        " network of this machine; --pod-network=auto would use VXLAN",
    )
    assert all(r.device for r in drawn("vxlan", ME, NEAR, FAR).routes.values())
    assert drawn("none", ME, NEAR, FAR) == Plan()


def test_nodes_with_ipv6_only_use_the_other_interface() -> None:
    six = node("six", ["fd10:0:0:6::/64"], "fd66::6")
    made = drawn("auto", ME, six)
    assert routes(made) == {"fd10:0:0:6::/64": "fd10:0:0:6:: wherry-vxlan6"}
    assert (made.vteps["wherry-vxlan6"].mtu, str(made.vteps["wherry-vxlan6"].local)) == (
        1430, "fd31::1",
    )  # fmt: skip


def test_what_cannot_be_is_said_and_the_rest_goes_on() -> None:
    made = drawn(
        "auto", ME, NEAR,
        node("a-twin", ["10.244.0.128/25"], "172.31.0.7"),
        node("host", ["172.31.0.128/25"], "172.31.0.8"),
        node("lost", ["10.244.9.0/24"]),
        node("odd", ["10.244.0.1/24", "nonsense"], "172.31.0.9"),
        node("bare", [], "172.31.0.3"),
    )  # fmt: skip
    assert set(routes(made)) == {"10.244.1.0/24", "fd10:0:0:1::/64"}
    assert made.problems == (
        "pod range 10.244.0.128/25 of node a-twin overlaps 10.244.0.0/24 of node me: correct"
        " spec.podCIDRs of one of them",
        "pod range 172.31.0.128/25 of node host overlaps 172.31.0.0/24, which this machine is on"
        " (eth0): choose another --cluster-cidr",
        "pod range 10.244.9.0/24 of node lost cannot be reached: the two nodes have no InternalIP"
        " of the same family",
        "pod range of node odd: 10.244.0.1/24 has host bits set",
        "pod range of node odd: 'nonsense' does not appear to be an IPv4 or IPv6 network",
    )


def test_before_our_own_node_is_known_there_is_nothing_to_complain_of() -> None:
    made = drawn("auto", NEAR, FAR)
    assert set(routes(made)) == {"10.244.1.0/24", "fd10:0:0:1::/64"}
    assert (made.problems, made.vteps) == ((), {})


def test_an_interface_that_is_down_leads_nowhere_and_the_pods_bridge_is_no_foreign_network() -> (
    None
):
    down = (Link("eth0", 1500, False, LAN.addresses),)
    assert not is_near(ip_address("172.31.0.2"), down)
    bridge = Link("cni7", 1500, True, (ip_interface("10.244.0.1/24"),))
    assert drawn("auto", ME, NEAR, links=(*LINKS, bridge)).problems == ()


def test_podcidr_alone_counts_and_wrong_addresses_are_passed_over() -> None:
    old = Node.from_wire({
        "metadata": {"name": "old"}, "spec": {"podCIDR": "10.244.3.0/24"},
        "status": {"addresses": [
            {"type": "InternalIP", "address": "not one"},
            {"type": "ExternalIP", "address": "172.31.0.9"},
            {"type": "InternalIP", "address": "172.31.0.4"},
        ]},
    })  # fmt: skip
    assert routes(drawn("auto", ME, old)) == {"10.244.3.0/24": "172.31.0.4"}


_NUMBERS = st.integers(1, 250)


@st.composite
def clusters(draw: st.DrawFn) -> list[Peer]:
    """Nodes on two networks, with ranges that may overlap each other or the machine's own."""
    found = []
    for number in draw(st.lists(_NUMBERS, unique=True, max_size=12)):
        third = draw(st.sampled_from([0, 9]))
        addresses = [ip_address(f"172.31.{third}.{number}")]
        if draw(st.booleans()):
            addresses.append(ip_address(f"fd{31 + third}::{number:x}"))
        if draw(st.booleans()):
            addresses.reverse()
        ranges = [
            ip_network(draw(st.sampled_from(
                [f"10.244.{number}.0/24", "10.244.0.0/16", f"10.244.{number // 4 * 4}.0/22",
                 "172.31.0.0/20"]
            ))),
            *([ip_network(f"fd10:0:0:{number:x}::/64")] if draw(st.booleans()) else []),
        ]  # fmt: skip
        kept = addresses[: draw(st.integers(0, 2))]
        found.append(Peer(f"n{number}", tuple(kept), tuple(ranges)))
    return found


@given(clusters(), st.sampled_from(MODES), st.randoms(use_true_random=False))
def test_a_plan_is_whole_and_harms_nobody(cluster: list[Peer], mode: Any, random: Any) -> None:
    me = Peer("me", (ip_address("172.31.0.1"), ip_address("fd31::1")), (ip_network("10.200.0.0/24"),))  # fmt: skip
    peers = [me, *cluster]
    made = plan(peers, "me", LINKS, mode)
    random.shuffle(peers)
    assert plan(peers, "me", LINKS, mode) == made, "order does not matter"

    taken = [*made.routes, *me.ranges]
    for index, one in enumerate(taken):
        assert not overlapping(one, LINKS), "the machine's own networks stay reachable"
        assert not any(overlap(one, other) for other in taken[:index]), "no range twice"
    hops = {(one.device, one.address): one.mac for one in made.neighbours}
    ends = {(one.device, one.mac): one.to for one in made.forwards}
    for one, route in made.routes.items():
        owner = next(p for p in cluster if one in p.ranges and not _lost(p, one, made))
        if route.device:
            assert mode != "direct"
            mac = hops.pop((route.device, route.gateway))
            assert ends[route.device, mac] in owner.addresses
            assert route.device in made.vteps
        else:
            assert mode != "vxlan"
            assert route.gateway in owner.addresses
            assert is_near(route.gateway, LINKS)
    assert not hops, "no neighbour without a route"
    assert {device for device, _ in ends} == set(made.vteps)
    if mode != "none":
        reached = set(made.routes)
        for one in cluster:
            for mine in one.ranges:
                named = any(f"{mine} of node {one.name} " in line for line in made.problems)
                assert mine in reached or named, "unreachable without a word"


def _lost(one: Peer, network: Any, made: Plan) -> bool:
    return any(f"{network} of node {one.name} " in line for line in made.problems)


@pytest.mark.parametrize("name", ["a", "b", "node-1.example.org"])
def test_macs_are_unicast_local_and_told_by_the_name(name: str) -> None:
    first = int(vtep_mac(name).split(":")[0], 16)
    assert first & 0b11 == 0b10
    assert vtep_mac(name) == vtep_mac(name) != vtep_mac(name + "x")
    assert Route(ip_address("10.0.0.1")).device == ""
