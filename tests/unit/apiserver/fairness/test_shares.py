"""Seats by shares; lending and borrowing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apiserver.fairness.shares import Demand, Level, Limits, current_limits, nominal_limits

DEFAULTS = [
    Level("exempt", True, 0), Level("catch-all", False, 5), Level("global-default", False, 20, 50),
    Level("leader-election", False, 10), Level("node-high", False, 40, 25),
    Level("system", False, 30, 33), Level("workload-high", False, 40, 50),
    Level("workload-low", False, 100, 90),
]  # fmt: skip


def test_upstreams_numbers_for_its_defaults():
    limits = nominal_limits(DEFAULTS, 600)
    assert {name: one.nominal for name, one in limits.items()} == {
        "exempt": 0, "catch-all": 13, "global-default": 49, "leader-election": 25,
        "node-high": 98, "system": 74, "workload-high": 98, "workload-low": 245,
    }  # fmt: skip
    assert limits["node-high"].lower == 98 - 24
    assert limits["leader-election"].lower == 25


def test_a_borrowing_limit_is_kept():
    limits = nominal_limits([Level("a", False, 1, 0, 50), Level("b", False, 1, 100)], 20)
    assert limits["a"] == Limits(10, 10, 15)
    assert current_limits(limits, {"a": (100, 100.0)}, 20)["a"] == 15


def test_who_wants_borrows_what_others_lend_and_they_get_it_back():
    limits = nominal_limits(DEFAULTS, 128)
    idle = {name: (0, 0.0) for name in limits if name != "exempt"}
    limits.pop("exempt")
    flood = current_limits(limits, {**idle, "global-default": (200, 200.0)}, 128)
    assert flood["global-default"] > 4 * limits["global-default"].nominal
    for name, one in limits.items():
        assert flood[name] >= one.lower
    both = {**idle, "global-default": (200, 200.0), "workload-low": (60, 60.0)}
    assert current_limits(limits, both, 128)["workload-low"] >= limits["workload-low"].nominal


NAMES = st.sampled_from([one.name for one in DEFAULTS if not one.exempt])


@given(
    st.integers(7, 1000),
    st.dictionaries(NAMES, st.tuples(st.integers(0, 500), st.floats(0, 500))),
)
def test_nobody_gets_less_than_he_keeps_or_more_than_he_may(total, wanted):
    limits = nominal_limits(DEFAULTS, total)
    limits.pop("exempt")
    found = current_limits(limits, wanted, total)
    for name, one in limits.items():
        high = wanted.get(name, (0, 0))[0]
        assert found[name] >= max(1, one.lower, min(one.nominal, high)) - 1
        assert found[name] <= max(one.upper, one.nominal) + 1
    kept = sum(
        max(one.lower, min(one.nominal, wanted.get(n, (0, 0))[0])) for n, one in limits.items()
    )
    assert sum(found.values()) <= max(total, kept) + len(limits)


def test_demand_is_weighed_by_time_and_slowly_forgotten():
    demand = Demand(0.0)
    demand.set(0.0, 10)
    demand.set(0.5, 0)
    high, mean, spread = demand.look(1.0)
    assert (high, mean, spread) == (10, 5.0, 5.0)
    assert demand.smooth == 10.0
    assert demand.look(2.0) == (0, 0.0, 0.0)
    assert 9.0 < demand.smooth < 10.0
    for second in range(3, 400):
        demand.look(float(second))
    assert demand.smooth == 0.0
