"""Announced disruptions that came to nothing, and pods that nobody wants a number of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controller_manager.disruption.plan import unmanaged
from controller_manager.disruption.stale import is_announced, plan_stale
from controller_manager.plan import NOTHING
from wherry.api.core_v1 import Pod
from wherry.api.policy_v1 import PodDisruptionBudget

THEN = datetime(2026, 11, 21, 12, tzinfo=UTC)


def pod(status="True", phase="Running", **metadata):
    condition = {
        "type": "DisruptionTarget", "status": status, "reason": "EvictionByEvictionAPI",
        "lastTransitionTime": "2026-11-21T12:00:00Z",
    }  # fmt: skip
    return Pod.from_wire(
        {
            "metadata": {"name": "p", "namespace": "ns", "uid": "u", **metadata},
            "status": {"phase": phase, "conditions": [condition]},
        }
    )


def after(seconds):
    return THEN + timedelta(seconds=seconds)


def test_an_old_announcement_is_withdrawn():
    assert plan_stale(pod(), after(30)).requeue_after == 90.0
    (patch,) = plan_stale(pod(), after(120)).actions
    (condition,) = patch.patch["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("DisruptionTarget", "False")
    assert patch.subresource == "status"


def test_a_clock_that_was_set_back_only_puts_it_off():
    assert plan_stale(pod(), after(-1000)).requeue_after == 1120.0


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(pod(status="False"), id="withdrawn"),
        pytest.param(pod(phase="Failed"), id="ended"),
        pytest.param(pod(deletionTimestamp="2026-11-21T12:00:01Z"), id="going"),
        pytest.param(None, id="gone"),
    ],
)
def test_nothing_to_withdraw(one):
    assert plan_stale(one, after(1000)) is NOTHING
    assert one is None or not is_announced(one)


def test_unmanaged_pods_are_told_of_where_a_share_counts():
    def budget(**spec):
        spec["selector"] = {"matchLabels": {"app": "a"}}
        return PodDisruptionBudget.from_wire({"metadata": {"name": "b"}, "spec": spec})

    message = unmanaged(budget(maxUnavailable=1), [pod()])
    assert message.startswith(
        "Pods selected by this PodDisruptionBudget (selector: &LabelSelector{MatchLabels:"
        "map[string]string{app: a,},MatchExpressions:[]LabelSelectorRequirement{},}) were found to be"
    )
    assert unmanaged(budget(minAvailable="50%"), [pod()])
    assert not unmanaged(budget(minAvailable=1), [pod()])
    owner = {"apiVersion": "v1", "kind": "X", "name": "x", "uid": "x", "controller": True}
    assert not unmanaged(budget(maxUnavailable=1), [pod(ownerReferences=[owner])])
