"""Charges, releases and settling of a quota's status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.admission.attributes import PODS
from apiserver.quota.account import charge, growth, is_settled, release, settle, share, there_is
from wherry.api import quantity
from wherry.api.scheme import Resource

Tree = dict[str, Any]


class Refused(Exception):
    pass


def quota(hard: Tree, used: Tree | None = None, **spec: Any) -> Tree:
    status = {"hard": hard, "used": used} if used is not None else {}
    return {"metadata": {"name": "q"}, "spec": {"hard": hard, **spec}, "status": status}


def pod(cpu: str) -> Tree:
    container = {"name": "c", "resources": {"requests": {"cpu": cpu}}}
    return {"metadata": {"name": "p"}, "spec": {"containers": [container]}}


class Pods:
    def __init__(self, *found: Tree) -> None:
        self._found = list(found)

    def get(self, resource: Resource, namespace: str, name: str) -> Mapping[str, Any] | None:
        raise NotImplementedError

    def list(self, resource: Resource, namespace: str = "") -> list[Mapping[str, Any]]:
        return [*self._found] if resource is PODS else []


def test_only_what_is_bounded_is_shared() -> None:
    assert share(quota({"pods": "1", "secrets": "1"}), PODS, pod("1")) == {"pods": "1"}
    assert share(quota({"pods": "1"}, scopes=["BestEffort"]), PODS, pod("1")) == {}
    assert share(quota({"pods": "1"}), PODS, None) == {}


@pytest.mark.parametrize(
    ("more", "less", "expected"),
    [
        ({"cpu": "2"}, {}, {"cpu": "2"}),
        ({"cpu": "2"}, {"cpu": "500m"}, {"cpu": "1500m"}),
        ({"cpu": "1"}, {"cpu": "2"}, {}),
        ({"cpu": "1"}, {"cpu": "1"}, {}),
        ({"cpu": "0"}, {}, {}),
    ],
)
def test_growth(more: Tree, less: Tree, expected: Tree) -> None:
    assert growth(more, less) == expected


def test_a_charge_is_recorded() -> None:
    found = quota({"cpu": "2", "pods": "5"}, {"cpu": "500m", "pods": "1"})
    charge(found, {"cpu": "1500m", "pods": "1"}, Refused)
    assert found["status"]["used"] == {"cpu": "2", "pods": "2"}


def test_what_is_too_much_is_told_and_nothing_recorded() -> None:
    found = quota({"cpu": "2", "pods": "5"}, {"cpu": "1", "pods": "1"})
    words = "exceeded quota: q, requested: cpu=2, used: cpu=1, limited: cpu=2"
    with pytest.raises(Refused, match=words):
        charge(found, {"cpu": "2", "pods": "1"}, Refused)
    assert found["status"]["used"] == {"cpu": "1", "pods": "1"}


def test_nothing_is_charged_to_what_is_not_known() -> None:
    found = quota({"cpu": "2"}, {})
    with pytest.raises(Refused, match="status unknown for quota: q, resources: cpu"):
        charge(found, {"cpu": "1"}, Refused)


def test_settling_counts_what_is_new_and_keeps_what_is_recorded() -> None:
    found = quota({"cpu": "2", "pods": "5"})
    found["status"] = {
        "hard": {"cpu": "1", "secrets": "1"},
        "used": {"cpu": "900m", "secrets": "1"},
    }
    assert not is_settled(found)
    settle(found, there_is(found, Pods(pod("1"), pod("1")), "ns"))
    assert is_settled(found)
    assert found["status"]["used"] == {"cpu": "900m", "pods": "2"}


@pytest.mark.parametrize(
    ("used", "less", "counted", "expected"),
    [
        ("5", "2", "3", "3"),
        ("5", "1", "3", "4"),
        ("3", "2", "3", "3"),
        ("5", "0", "3", "5"),
        ("3", "1", "5", "3"),
    ],
    ids=["all that went", "more may come", "told by another already", "nothing went", "never up"],
)
def test_releases(used: str, less: str, counted: str, expected: str) -> None:
    found = quota({"pods": "9"}, {"pods": used})
    release(found, {"pods": less}, {"pods": counted})
    assert found["status"]["used"] == {"pods": expected}


@given(st.lists(st.integers(1, 4), max_size=30), st.integers(0, 20))
def test_what_is_recorded_never_exceeds_the_bound(amounts: list[int], bound: int) -> None:
    found = quota({"pods": str(bound)}, {"pods": "0"})
    taken = 0
    for amount in amounts:
        try:
            charge(found, {"pods": str(amount)}, Refused)
        except Refused:
            assert taken + amount > bound
        else:
            taken += amount
    assert quantity.value(found["status"]["used"]["pods"]) == taken <= bound
