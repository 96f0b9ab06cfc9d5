"""Routes to other nodes: the plan."""

from __future__ import annotations

from proxy.routes import changes, wanted_routes
from wherry.api.core_v1 import Node


def node(name: str, pod_cidr: str, *addresses: str, **metadata: str) -> Node:
    return Node.from_wire(
        {
            "metadata": {"name": name, **metadata},
            "spec": {"podCIDR": pod_cidr, "podCIDRs": [pod_cidr] if pod_cidr else []},
            "status": {"addresses": [{"type": "InternalIP", "address": one} for one in addresses]},
        }
    )


def test_every_other_node_gets_a_route() -> None:
    nodes = [
        node("me", "10.244.0.0/24", "172.31.0.1"),
        node("two", "10.244.1.0/24", "fd00::2", "172.31.0.2"),
        node("no-range", "", "172.31.0.3"),
        node("no-address", "10.244.4.0/24"),
        node("six", "fd00:1::/64", "172.31.0.6"),
        node("going", "10.244.5.0/24", "172.31.0.5", deletionTimestamp="2026-01-01T00:00:00Z"),
    ]
    assert wanted_routes(nodes, "me") == {"10.244.1.0/24": "172.31.0.2"}


def test_changes() -> None:
    present = {"a": "1", "b": "2", "c": "3"}
    assert changes(present, {"a": "1", "b": "9", "d": "4"}) == ({"b": "9", "d": "4"}, {"c": "3"})
