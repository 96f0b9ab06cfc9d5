"""Taints and who bears them."""

from __future__ import annotations

import pytest

from wherry.api.core_v1.affinity import Toleration
from wherry.api.core_v1.node import Taint
from wherry.api.taints import matches, tolerates

TAINT = Taint(key="disk", value="slow", effect="NoSchedule")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "disk", "operator": "Exists"}, True),
        ({"key": "disk", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "disk", "value": "slow"}, True),
        ({"key": "disk", "operator": "Equal", "value": "slow", "effect": "NoSchedule"}, True),
        ({"key": "disk", "value": "fast"}, False),
        ({"key": "net", "operator": "Exists"}, False),
        ({"value": "slow"}, False),
        ({"key": "disk", "operator": "Gt", "value": "slow"}, False),
    ],
)
def test_a_toleration_is_for_a_taint(fields, expected):
    assert matches(Toleration(**fields), TAINT) is expected


def test_any_toleration_will_do():
    other, right = Toleration(key="net", operator="Exists"), Toleration(operator="Exists")
    assert tolerates([other, right], TAINT)
    assert not tolerates([other], TAINT)
    assert not tolerates([], TAINT)
