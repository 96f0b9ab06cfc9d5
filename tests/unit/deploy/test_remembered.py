"""What a cluster was begun with holds for every later `up`; other words are refused in a line."""

from pathlib import Path

import pytest

from deploy.preflight import Problem
from deploy.remembered import Remembered, Words, again, begin


def test_a_cluster_is_what_it_was_begun_with(tmp_path: Path) -> None:
    assert Remembered.read(tmp_path) is None
    said = Words("n1", "", "10.0.0.5", 7443, dual_stack=True, pod_network="vxlan")
    begun = begin(said, "host")
    begun.write(tmp_path)
    held = Remembered.read(tmp_path)
    assert held == begun
    assert held.network.is_dual
    assert again(held, Words()) == again(held, said) == begun
    assert begin(Words(), "host") == Remembered("host")


def test_where_it_is_reached_may_change() -> None:
    held = begin(Words(advertise="10.0.0.5"), "n1")
    moved = again(held, Words(advertise="10.0.0.6", node_ip="10.0.0.7", port=7443))
    assert (moved.advertise, moved.node_ip, moved.port) == ("10.0.0.6", "10.0.0.7", 7443)
    assert moved.network == held.network


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (Words("n2"), "--node-name n2: the cluster was begun with n1"),
        (Words(dual_stack=True), "--dual-stack: the cluster was begun with pods in 10.244.0.0/16"),
        (Words(pods="10.9.0.0/16"), "--pod-network-cidr 10.9.0.0/16: the cluster was begun with"),
        (Words(services="10.9.0.0/16"), "--service-cidr 10.9.0.0/16: the cluster was begun with"),
        (Words(pod_network="none"), "--pod-network none: the cluster was begun with auto"),
        (Words(pods="nonsense"), "--pod-network-cidr: 'nonsense' does not appear to be"),
    ],
)
def test_what_it_is_made_of_may_not(words: Words, cause: str) -> None:
    with pytest.raises(Problem) as caught:
        again(begin(Words(), "n1"), words)
    assert cause in caught.value.cause


def test_the_same_range_may_be_spelled_otherwise() -> None:
    held = begin(Words(pods="fd00:10:244::/48", services="fd00:10:96::/112"), "n1")
    assert again(held, Words(pods="FD00:10:244:0:0:0:0:0/48")) == held
