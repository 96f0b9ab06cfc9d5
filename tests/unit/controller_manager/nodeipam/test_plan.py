"""Ranges for nodes: never twice, in turn, and none when none is left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller_manager.nodeipam.plan import make_ranges, mask_sizes, plan_node
from controller_manager.plan import Emit
from wherry.api.core_v1 import Node


def node(name, *cidrs):
    return Node.from_wire({"metadata": {"name": name}, "spec": {"podCIDRs": list(cidrs)}})


def given_to(name, nodes, ranges):
    (patch,) = plan_node(node(name), nodes, ranges).actions
    return patch.patch["spec"]["podCIDRs"]


def test_ranges_in_turn_and_both_families():
    ranges = make_ranges(["10.244.0.0/16", "fd00::/48"], [24, 64])
    assert given_to("a", [], ranges) == ["10.244.0.0/24", "fd00::/64"]
    assert given_to("b", [], ranges) == ["10.244.1.0/24", "fd00:0:0:1::/64"]
    assert given_to("a", [], ranges) == ["10.244.0.0/24", "fd00::/64"], "still pending"


def test_held_ranges_are_skipped():
    ranges = make_ranges(["10.244.0.0/16"], [24], ["10.244.2.0/23", "fd10::/112"])
    others = [node("x", "10.244.0.0/24"), node("y", "10.244.1.0/25")]
    assert given_to("a", others, ranges) == ["10.244.4.0/24"]


def test_exhausted():
    ranges = make_ranges(["10.244.0.0/24"], [24])
    (told,) = plan_node(node("a"), [node("b", "10.244.0.0/24")], ranges).actions
    assert isinstance(told, Emit)
    assert told.reason == "CIDRNotAvailable"


def test_a_node_with_a_range_is_left_alone():
    ranges = make_ranges(["10.244.0.0/16"], [24])
    given_to("a", [], ranges)
    assert plan_node(node("a", "10.244.0.0/24"), [], ranges).actions == ()
    assert ranges[0].pending == {}


@pytest.mark.parametrize(
    ("cidr", "mask"),
    [("10.0.0.0/24", 16), ("10.0.0.0/8", 33), ("x", 24), ("fd00::/40", 64), ("10.96.3.0/24", 24)],
)
def test_impossible_ranges(cidr, mask):
    with pytest.raises(ValueError):  # noqa: PT011  # ipaddress words its own
        make_ranges([cidr], [mask], ["10.96.0.0/16"])


@given(st.lists(st.sampled_from("abcdefgh"), max_size=40))
def test_no_two_nodes_hold_one_range(steps):
    """Nodes come (first mention) and go (second), the cache always lags one step behind."""
    ranges = make_ranges(["10.244.0.0/21"], [24])
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


FOUR, SIX = "10.244.0.0/16", "fd00::/48"


@pytest.mark.parametrize(
    ("cidrs", "given", "sizes"),
    [
        ([FOUR], (0, 0, 0), [24]),
        ([FOUR], (25, 0, 0), [25]),
        ([FOUR], (0, 26, 0), [26]),
        ([SIX], (0, 0, 0), [64]),
        ([SIX, FOUR], (0, 26, 60), [60, 26]),
        ([FOUR, SIX], (0, 0, 0), [24, 64]),
    ],
)
def test_mask_sizes(cidrs, given, sizes):
    assert mask_sizes(cidrs, *given) == sizes


@pytest.mark.parametrize(
    ("cidrs", "given", "words"),
    [
        ([FOUR, SIX], (24, 0, 0), "not allowed with dual-stack clusters"),
        ([FOUR], (24, 24, 0), "is not allowed if --node-cidr-mask-size is set"),
        ([FOUR], (0, 0, 64), "ipv6 is not allowed for a single-stack IPv4 cluster"),
        ([SIX], (0, 24, 0), "ipv4 is not allowed for a single-stack IPv6 cluster"),
        ([FOUR, "10.9.0.0/16"], (0, 0, 0), "not configured as dual stack"),
        ([FOUR, SIX, SIX], (0, 0, 0), "more than max allowed of 2"),
    ],
)
def test_mask_sizes_that_do_not_fit(cidrs, given, words):
    with pytest.raises(ValueError, match=words):
        mask_sizes(cidrs, *given)


def test_a_node_with_nonsense_for_a_range_holds_nothing():
    assert given_to("a", [node("odd", "nonsense")], make_ranges([FOUR], [24])) == ["10.244.0.0/24"]
