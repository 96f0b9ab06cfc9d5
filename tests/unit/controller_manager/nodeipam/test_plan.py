"""Ranges for nodes: never twice, in turn, and none when none is left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller_manager.nodeipam.plan import make_ranges, plan_node
from controller_manager.plan import Emit
from wherry.api.core_v1 import Node


def node(name, *cidrs):
    return Node.from_wire({"metadata": {"name": name}, "spec": {"podCIDRs": list(cidrs)}})


def given_to(name, nodes, ranges):
    (patch,) = plan_node(node(name), nodes, ranges).actions
    return patch.patch["spec"]["podCIDRs"]


def test_ranges_in_turn_and_both_families():
    ranges = make_ranges(["10.244.0.0/16", "fd00::/48"], 0)
    assert given_to("a", [], ranges) == ["10.244.0.0/24", "fd00::/64"]
    assert given_to("b", [], ranges) == ["10.244.1.0/24", "fd00:0:0:1::/64"]
    assert given_to("a", [], ranges) == ["10.244.0.0/24", "fd00::/64"], "still pending"


def test_held_ranges_are_skipped():
    ranges = make_ranges(["10.244.0.0/16"], 24, "10.244.2.0/23")
    others = [node("x", "10.244.0.0/24"), node("y", "10.244.1.0/25")]
    assert given_to("a", others, ranges) == ["10.244.4.0/24"]


def test_exhausted():
    ranges = make_ranges(["10.244.0.0/24"], 24)
    (told,) = plan_node(node("a"), [node("b", "10.244.0.0/24")], ranges).actions
    assert isinstance(told, Emit)
    assert told.reason == "CIDRNotAvailable"


def test_a_node_with_a_range_is_left_alone():
    ranges = make_ranges(["10.244.0.0/16"], 24)
    given_to("a", [], ranges)
    assert plan_node(node("a", "10.244.0.0/24"), [], ranges).actions == ()
    assert ranges[0].pending == {}


@pytest.mark.parametrize(("cidr", "mask"), [("10.0.0.0/24", 16), ("10.0.0.0/8", 33), ("x", 24)])
def test_impossible_ranges(cidr, mask):
    with pytest.raises(ValueError):  # noqa: PT011  # ipaddress words its own
        make_ranges([cidr], mask)


@given(st.lists(st.sampled_from("abcdefgh"), max_size=40))
def test_no_two_nodes_hold_one_range(steps):
    """Nodes come (first mention) and go (second), the cache always lags one step behind."""
    ranges = make_ranges(["10.244.0.0/21"], 24)
    held: dict[str, str] = {}
    seen: list[Node] = []
    for name in steps:
        if name in held:
            del held[name]
        else:
            plan = plan_node(node(name), seen, ranges)
            texts = [
                a.patch["spec"]["podCIDRs"][0] for a in plan.actions if not isinstance(a, Emit)
            ]
            if texts:
                assert texts[0] not in held.values()
                held[name] = texts[0]
        seen = [node(one, cidr) for one, cidr in held.items()]
        for one in seen:
            plan_node(one, seen, ranges)
