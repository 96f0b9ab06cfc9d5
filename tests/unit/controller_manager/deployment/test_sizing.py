"""Percentages, limits and revision annotations."""

from __future__ import annotations

import pytest

from controller_manager.deployment import marks, sizing
from controller_manager.deployment.replicasets import template_hash
from wherry.api.apps_v1 import Deployment
from wherry.api.core_v1 import PodTemplateSpec


def deployment(replicas, surge, unavailable):
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
    return Deployment.from_wire({"spec": {"replicas": replicas, "strategy": strategy}})


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        pytest.param(10, "25%", "25%", (3, 2), id="surge rounds up, unavailable down"),
        pytest.param(1, "25%", "25%", (1, 0), id="one replica is never taken away first"),
        pytest.param(4, 0, 0, (0, 1), id="both zero: one may be unavailable"),
        pytest.param(4, "0%", "1%", (0, 1), id="both round to zero"),
        pytest.param(4, 2, 9, (2, 9), id="numbers as they are"),
    ],
)
def test_limits(replicas, surge, unavailable, expected):
    assert sizing.limits(deployment(replicas, surge, unavailable)) == expected


def test_max_unavailable_is_at_most_all():
    assert sizing.max_unavailable(deployment(4, 0, 9)) == 4


@pytest.mark.parametrize("text", ["25", "x%", "-5%", ""])
def test_what_is_no_percentage(text):
    with pytest.raises(ValueError, match="IntOrString"):
        sizing.scaled(text, 10, round_up=True)


def test_hash_is_stable_and_safe():
    template = PodTemplateSpec.from_wire({"spec": {"containers": [{"name": "c", "image": "a"}]}})
    assert template_hash(template, None) == template_hash(template, None)
    assert template_hash(template, None) != template_hash(template, 1)
    assert set(template_hash(template, None)) <= set("bcdfghjklmnpqrstvwxz2456789")


@pytest.mark.parametrize(
    ("held", "new", "expected"),
    [
        pytest.param({}, 1, {marks.REVISION: "1"}, id="first"),
        pytest.param({marks.REVISION: "4"}, 3, {marks.REVISION: "4"}, id="never falls"),
        pytest.param(
            {marks.REVISION: "1"}, 3, {marks.REVISION: "3", marks.REVISION_HISTORY: "1"}, id="undo"
        ),
        pytest.param(
            {marks.REVISION: "3", marks.REVISION_HISTORY: "1"}, 5,
            {marks.REVISION: "5", marks.REVISION_HISTORY: "1,3"}, id="undone twice",
        ),
        pytest.param({marks.REVISION: "x"}, 5, {marks.REVISION: "x"}, id="no number"),
    ],
)  # fmt: skip
def test_revision_annotations(held, new, expected):
    assert marks.for_replica_set(Deployment(), held, new) == expected
