"""A cluster's ranges, as people choose them."""

from __future__ import annotations

from ipaddress import ip_interface, ip_network

import pytest

from deploy.places import Network
from deploy.preflight import Problem
from deploy.ranges import choose, conflict, node_addresses
from wherry.daemon.links import Link


def test_the_default_is_a_clusters_usual_network() -> None:
    assert choose("", "", dual_stack=False, mode="auto") == Network()
    dual = choose("", "", dual_stack=True, mode="vxlan")
    assert dual.is_dual
    assert (dual.pods, dual.services) == (
        "10.244.0.0/16,fd00:10:244::/48", "10.96.0.0/16,fd00:10:96::/112",
    )  # fmt: skip
    assert (dual.first_service, dual.dns, dual.mode) == ("10.96.0.1", "10.96.0.10", "vxlan")


def test_own_ranges() -> None:
    six_first = choose("fd11::/48,10.9.0.0/16", "fd12::/112,10.10.0.0/24", dual_stack=False, mode="auto")  # fmt: skip
    assert (six_first.first_service, six_first.dns) == ("fd12::1", "fd12::a")
    assert node_addresses("10.0.0.5,fd31::5", six_first) == ("10.0.0.5", "fd31::5")
    assert node_addresses("10.0.0.5", Network()) == ("10.0.0.5", "")


@pytest.mark.parametrize(
    ("pods", "services", "dual", "mode", "words"),
    [
        (
            "10.96.7.0/24",
            "",
            False,
            "auto",
            "pods' range 10.96.7.0/24 overlaps the Services' range",
        ),
        ("10.9.0.1/16", "", False, "auto", "--pod-network-cidr: 10.9.0.1/16 has host bits set"),
        ("10.9.0.0/16,10.8.0.0/16", "", False, "auto", "at most one range of each IP family"),
        ("10.9.0.0/16", "", True, "auto", "--dual-stack needs a range of each IP family"),
        ("fd11::/48", "10.8.0.0/24", False, "auto", "the same IP families"),
        (
            "10.9.0.0/25",
            "",
            False,
            "auto",
            "--pod-network-cidr 10.9.0.0/25: an IPv4 range from /8 to /24",
        ),
        (
            "",
            "10.96.0.0/29",
            False,
            "auto",
            "--service-cidr 10.96.0.0/29: an IPv4 range from /12 to",
        ),
        (
            "fd11::/48",
            "fd12::/64",
            False,
            "auto",
            "--service-cidr fd12::/64: an IPv6 range from /108",
        ),
        ("", "", False, "flannel", "--pod-network flannel: one of auto, direct, vxlan, none"),
    ],
)
def test_what_cannot_be(pods: str, services: str, dual: bool, mode: str, words: str) -> None:
    with pytest.raises(Problem) as caught:
        choose(pods, services, dual_stack=dual, mode=mode)
    assert words in caught.value.cause


def test_the_machines_own_networks_are_not_for_pods() -> None:
    lan = Link("eth0", 1500, True, (ip_interface("10.244.7.9/24"),))
    assert conflict(Network(), [lan]) == (
        "the pods' range 10.244.0.0/16 overlaps 10.244.7.0/24, which this machine is on (eth0)"
    )
    assert conflict(Network(pods="10.9.0.0/16"), [lan]) == ""
    inside, wider = ip_network("10.96.3.0/24"), ip_network("10.0.0.0/8")
    assert conflict(Network(), [], [(wider, "tun0"), (inside, "tun0")]) == (
        "the Services' range 10.96.0.0/16 overlaps 10.96.3.0/24, to which this machine has a route "
        "(dev tun0)"
    )
    assert conflict(Network(), [], [(wider, "tun0")]) == ""
    with pytest.raises(Problem, match="--node-ip"):
        node_addresses("nonsense", Network())
