"""Creations, deletions, their order, the status and the expectations of a ReplicaSet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller_manager.replicaset import rank
from controller_manager.replicaset.expectations import EXPIRE_SECONDS, Expectations
from controller_manager.replicaset.plan import (
    BURST_REPLICAS,
    Observed,
    new_pod,
    plan_replicas,
    plan_status,
    slow_start,
)
from wherry.api.apps_v1 import ReplicaSet
from wherry.api.core_v1 import Pod
from wherry.api.model import format_time

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def replica_set(replicas=2, **spec):
    return ReplicaSet.from_wire(
        {
            "metadata": {"name": "web", "namespace": "ns", "uid": "rs1", "generation": 3},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}, "annotations": {"a": "b"}},
                    "spec": {"containers": [{"name": "c", "image": "i"}]},
                },
                **spec,
            },
        }
    )


def pod(
    name, *, node="n", phase="Running", ready=True, age=1000, ready_for=900, restarts=0, cost=None
):
    conditions = [
        {
            "type": "Ready",
            "status": "True" if ready else "False",
            "lastTransitionTime": format_time(NOW - timedelta(seconds=ready_for)),
        }
    ]
    notes = {} if cost is None else {"controller.kubernetes.io/pod-deletion-cost": cost}
    return Pod.from_wire(
        {
            "metadata": {
                "name": name, "namespace": "ns", "uid": f"u-{name}", "labels": {"app": "web"},
                "annotations": notes, "creationTimestamp": format_time(NOW - timedelta(seconds=age)),
            },
            "spec": {"nodeName": node, "containers": [{"name": "c"}]},
            "status": {
                "phase": phase, "conditions": conditions,
                "containerStatuses": [{"name": "c", "restartCount": restarts}],
            },
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("have", "want", "create", "delete"),
    [(0, 3, 3, 0), (3, 3, 0, 0), (5, 3, 0, 2), (0, 900, BURST_REPLICAS, 0), (2, 0, 0, 2)],
)
def test_counts(have, want, create, delete):
    pods = tuple(pod(f"p{i}") for i in range(have))
    plan = plan_replicas(Observed(replica_set(want), pods), NOW)
    assert (plan.create, len(plan.delete)) == (create, delete)


def test_nothing_before_earlier_wishes_are_seen():
    observed = Observed(replica_set(3), (), fulfilled=False)
    assert plan_replicas(observed, NOW).create == 0


def test_nothing_for_a_set_being_deleted():
    rs = replica_set(3)
    rs = rs.with_(metadata=rs.metadata.with_(deletion_timestamp=NOW))
    assert plan_replicas(Observed(rs, ()), NOW).create == 0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(pod("a", node=""), pod("b"), id="unassigned"),
        pytest.param(pod("a", phase="Pending"), pod("b"), id="pending"),
        pytest.param(pod("a", ready=False), pod("b"), id="not ready"),
        pytest.param(pod("a", cost="-5"), pod("b"), id="cheap"),
        pytest.param(pod("a", ready_for=10), pod("b"), id="ready for a shorter time"),
        pytest.param(pod("a", restarts=4), pod("b"), id="restarted more often"),
        pytest.param(pod("a", age=901), pod("b", age=90000), id="younger"),
        pytest.param(pod("a", cost="007"), pod("b", cost="1"), id="a malformed cost is zero"),
        pytest.param(pod("a", node="", cost="100"), pod("b", cost="-100"), id="assignment beats cost"),
        pytest.param(pod("a", ready=False, cost="9"), pod("b", cost="-9"), id="readiness beats cost"),
    ],
)  # fmt: skip
def test_who_goes_first(first, second):
    for pods in ((first, second), (second, first)):
        plan = plan_replicas(Observed(replica_set(1), pods), NOW)
        assert [one.metadata.name for one in plan.delete] == [first.metadata.name]


def test_the_crowded_node_loses_first():
    crowd = (pod("a", node="n1"), pod("b", node="n2"))
    related = (*crowd, pod("sibling", node="n2"))
    plan = plan_replicas(Observed(replica_set(1), crowd, related=related), NOW)
    assert [one.metadata.name for one in plan.delete] == ["b"]


pods_strategy = st.builds(
    pod,
    name=st.uuids().map(str),
    node=st.sampled_from(["", "n1", "n2"]),
    phase=st.sampled_from(["Pending", "Running"]),
    ready=st.booleans(),
    age=st.integers(0, 10**6),
    ready_for=st.integers(0, 10**6),
    restarts=st.integers(0, 3),
    cost=st.sampled_from([None, "1", "-1", "x"]),
)


@given(st.lists(pods_strategy, min_size=2, max_size=12), st.data())
def test_order_of_deletion_is_total_and_never_prefers_the_better_pod(pods, data):
    count = data.draw(st.integers(1, len(pods)))
    chosen = rank.to_delete(pods, pods, count, NOW)
    shuffled = rank.to_delete(data.draw(st.permutations(pods)), pods, count, NOW)
    assert {p.metadata.uid for p in chosen} == {p.metadata.uid for p in shuffled}
    assert len(chosen) == count
    kept = [p for p in pods if p not in chosen]
    if any(not p.spec.node_name for p in kept):
        assert all(not p.spec.node_name for p in chosen), "an assigned pod went before an idle one"


def test_batches_double():
    assert slow_start(12) == [1, 2, 4, 5]
    assert slow_start(0) == []


def test_pods_come_from_the_template():
    made = new_pod(replica_set())
    assert made.metadata.generate_name == "web-"
    assert made.metadata.labels == {"app": "web"}
    assert made.metadata.annotations == {"a": "b"}
    (owner,) = made.metadata.owner_references
    assert (owner.api_version, owner.kind, owner.name, owner.controller) == (
        "apps/v1",
        "ReplicaSet",
        "web",
        True,
    )


def test_status_counts_and_next_look():
    ready = pod("old", ready_for=100)
    fresh = pod("fresh", ready_for=4)
    starting = pod("starting", ready=False)
    observed = Observed(
        replica_set(3, minReadySeconds=10), (ready, fresh, starting), terminating=(pod("t"),)
    )
    status, wait = plan_status(observed, None, NOW)
    assert (status.replicas, status.fully_labeled_replicas) == (3, 3)
    assert (status.ready_replicas, status.available_replicas, status.terminating_replicas) == (
        2,
        1,
        1,
    )
    assert status.observed_generation == 3
    assert wait == pytest.approx(6.0)


def test_a_size_that_was_not_acted_on_is_not_observed():
    observed = Observed(replica_set(3), (pod("a"),), fulfilled=False)
    status, _ = plan_status(observed, None, NOW)
    assert (status.replicas, status.observed_generation) == (1, 0)


def test_failure_condition_comes_and_goes():
    observed = Observed(replica_set(3), ())
    failed, _ = plan_status(observed, "quota", NOW)
    (condition,) = failed.conditions
    assert (condition.type, condition.reason, condition.message) == (
        "ReplicaFailure",
        "FailedCreate",
        "quota",
    )
    again = Observed(replica_set(3).with_(status=failed), ())
    assert plan_status(again, "other words", NOW)[0] == failed
    assert plan_status(again, None, NOW)[0].conditions == []


def test_expectations_are_met_lowered_and_expire():
    expectations = Expectations()
    assert expectations.fulfilled("k", 0)
    expectations.expect_creations("k", 2, 0)
    assert not expectations.fulfilled("k", 1)
    expectations.created("k")
    assert not expectations.fulfilled("k", 1)
    expectations.created("k")
    assert expectations.fulfilled("k", 1)
    expectations.expect_deletions("k", ["a", "b"], 0)
    expectations.deleted("k", "a")
    expectations.deleted("k", "a")
    assert not expectations.fulfilled("k", 1)
    assert expectations.fulfilled("k", EXPIRE_SECONDS + 1)
    expectations.forget("k")
    assert expectations.fulfilled("k", 1)
