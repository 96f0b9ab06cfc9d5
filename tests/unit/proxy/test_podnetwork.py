"""What the packet filter does for the pod network."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from proxy.leaving import Leaving, render
from proxy.podnetwork import cluster_ranges, conflicts, filters, pod_ranges
from proxy.routes import Plan, plan
from tests.unit.proxy.test_routes import FAR, LINKS, ME, NEAR, peer

PODS = cluster_ranges(["10.244.0.0/16", "fd10::/56"])


def test_near_nodes_see_pods_far_ones_send_vxlan() -> None:
    made = plan(map(peer, (ME, NEAR, FAR)), "me", LINKS, "auto")
    accepts, leaving = filters(4, made, PODS)
    assert (accepts.ranges, accepts.vxlan_port) == ((ip_network("10.244.0.0/16"),), 8472)
    assert leaving == Leaving(
        frozenset({ip_network("10.244.0.0/16")}), frozenset({ip_address("172.31.0.2")}),
        8472, frozenset({ip_address("172.31.9.3")}),
    )  # fmt: skip
    accepts, leaving = filters(6, made, PODS)
    assert (accepts.ranges, accepts.vxlan_port) == ((ip_network("fd10::/56"),), 0)
    assert leaving.near == {ip_address("fd31::2")}
    assert filters(4, Plan(), ())[1] == Leaving()


def test_ranges_are_what_we_were_told_and_what_nodes_have_beyond() -> None:
    known = [ip_network(one) for one in ("10.244.3.0/24", "fd77::/64", "10.9.0.0/24")]
    assert [str(one) for one in pod_ranges(PODS, known)] == [
        "10.9.0.0/24", "10.244.0.0/16", "fd10::/56", "fd77::/64",
    ]  # fmt: skip
    assert pod_ranges((), []) == ()
    with pytest.raises(ValueError, match="host bits"):
        cluster_ranges(["10.244.0.1/16"])


def test_a_cluster_range_over_the_machines_network_is_said() -> None:
    assert conflicts(PODS, LINKS, ()) == []
    assert conflicts(cluster_ranges(["172.16.0.0/12"]), LINKS, ()) == [
        "--cluster-cidr 172.16.0.0/12 overlaps 172.31.0.0/24, which this machine is on (eth0)"
    ]
    assert conflicts(cluster_ranges(["172.16.0.0/12"]), LINKS, [ip_network("172.31.0.0/24")]) == []


def test_the_table_is_written_whole_or_not_at_all() -> None:
    assert render(Leaving(), 6) == "add table ip6 wherry-pods\ndelete table ip6 wherry-pods\n"
    text = render(Leaving(frozenset({ip_network("fd10::/56")})), 6)
    assert "ip6 saddr @pods ip6 daddr != @pods ip6 daddr != @near" in text
    assert "hook input" not in text
