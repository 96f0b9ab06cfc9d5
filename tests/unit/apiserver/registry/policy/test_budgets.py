"""PodDisruptionBudgets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.registry.strategies import STRATEGIES
from wherry.api.policy_v1 import PodDisruptionBudget
from wherry.api.scheme import resource_of

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
Tree = dict[str, Any]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"minAvailable": "50%"}, []),
        ({"maxUnavailable": 1, "selector": {}}, []),
        ({"minAvailable": 1, "maxUnavailable": 1},
         ['spec: Invalid value: {"minAvailable":1,"maxUnavailable":1}: minAvailable and maxUnavailable cannot be both set']),
        ({"minAvailable": -1}, ["spec.minAvailable: Invalid value: -1: must be greater than or equal to 0"]),
        ({"maxUnavailable": "200%"}, ['spec.maxUnavailable: Invalid value: "200%": must not be greater than 100%']),
        ({"unhealthyPodEvictionPolicy": "Never"},
         ['spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": supported values: "AlwaysAllow", "IfHealthyBudget"']),
    ],
)  # fmt: skip
def test_what_is_wrong(said: Callable[..., list[str]], spec: Tree, words: list[str]) -> None:
    assert said(PodDisruptionBudget, {"spec": spec}) == words


def test_row(build: Callable[..., Tree]) -> None:
    tree = build(PodDisruptionBudget, {"spec": {"minAvailable": "50%"}})
    tree["status"]["disruptionsAllowed"] = 2
    row = STRATEGIES[resource_of(PodDisruptionBudget)].row(tree, NOW)
    assert row == ("x", "50%", "N/A", 2, "60m")


def test_names_are_only_path_segments() -> None:
    strategy = STRATEGIES[resource_of(PodDisruptionBudget)]
    assert strategy.name_errors("A_b..c", prefix=False) == []
    assert strategy.name_errors("a/b", prefix=False) != []
