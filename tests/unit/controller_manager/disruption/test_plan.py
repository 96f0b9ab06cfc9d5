"""How many pods of a budget may go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller_manager.disruption.plan import Observed, Unknowable, failed_status, plan_status
from wherry.api.core_v1 import Pod
from wherry.api.model import format_time
from wherry.api.policy_v1 import PodDisruptionBudget

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def budget(noted=None, **spec):
    notes = {name: format_time(NOW - timedelta(seconds=ago)) for name, ago in (noted or {}).items()}
    return PodDisruptionBudget.from_wire(
        {
            "metadata": {"name": "b", "namespace": "ns", "generation": 2},
            "spec": spec,
            "status": {"disruptedPods": notes},
        }
    )


def pod(name, *, ready=True, owner="r1", phase="Running", going=False, kind="apps/v1/ReplicaSet"):
    version, _, kind = kind.rpartition("/")
    reference = {
        "apiVersion": version, "kind": kind, "name": owner, "uid": owner, "controller": True,
    }  # fmt: skip
    metadata = {"name": name, "namespace": "ns", "uid": f"u-{name}"}
    if owner:
        metadata["ownerReferences"] = [reference]
    if going:
        metadata["deletionTimestamp"] = format_time(NOW)
    conditions = [{"type": "Ready", "status": str(ready)}]
    return Pod.from_wire(
        {"metadata": metadata, "status": {"phase": phase, "conditions": conditions}}
    )


def pods(count, **more):
    return tuple(pod(f"p{n}", **more) for n in range(count))


@pytest.mark.parametrize(
    ("spec", "present", "scale", "counts"),
    [
        pytest.param({"minAvailable": 2}, pods(3), 3, (3, 3, 2, 1), id="a number"),
        pytest.param({"minAvailable": "50%"}, pods(3), 5, (5, 3, 3, 0), id="a share, rounded up"),
        pytest.param({"maxUnavailable": 1}, pods(4), 4, (4, 4, 3, 1), id="unavailable"),
        pytest.param({"maxUnavailable": "30%"}, pods(5), 5, (5, 5, 3, 2), id="unavailable share"),
        pytest.param({"maxUnavailable": 9}, pods(2), 2, (2, 2, 0, 2), id="all"),
        pytest.param({"minAvailable": 1}, pods(2, ready=False), 2, (2, 0, 1, 0), id="not ready"),
        pytest.param({"minAvailable": 0}, (), 0, (0, 0, 0, 0), id="no pods"),
        pytest.param({"minAvailable": 1}, pods(2, phase="Succeeded"), 2, (2, 0, 1, 0), id="ended"),
        pytest.param({"minAvailable": 1}, (*pods(2), pod("g", going=True)), 3, (3, 2, 1, 1), id="one goes"),
        pytest.param({"minAvailable": 1}, pods(2, owner=""), 0, (2, 2, 1, 1), id="pods on their own"),
    ],
)  # fmt: skip
def test_counts(spec, present, scale, counts):
    status, _ = plan_status(Observed(budget(**spec), present, {"r1": scale}), NOW)
    expected, healthy, desired, allowed = counts
    assert (status.expected_pods, status.current_healthy) == (expected, healthy)
    assert (status.desired_healthy, status.disruptions_allowed) == (desired, allowed)
    assert status.observed_generation == 2
    (condition,) = status.conditions
    assert condition.type == "DisruptionAllowed"
    assert (condition.status, condition.reason) == (
        ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    )


def test_noted_evictions_count_as_gone_until_they_are_old():
    made = budget({"p0": 10, "p1": 130, "long-gone": 10}, minAvailable=1)
    status, wait = plan_status(Observed(made, pods(3), {}), NOW)
    assert list(status.disrupted_pods) == ["p0"]
    assert (status.current_healthy, status.disruptions_allowed, wait) == (2, 1, 110.0)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("apps/v1/ReplicaSet", 'found no controllers for pod "p0"'),
        ("batch/v1/Job", "jobs.batch does not implement the scale subresource"),
        ("acme.io/v1/Queue", 'no matches for kind "Queue" in version "acme.io/v1"'),
    ],
)
def test_a_share_of_nobody_knows_what(kind, why):
    made = budget(maxUnavailable=1)
    with pytest.raises(Unknowable) as told:
        plan_status(Observed(made, pods(2, kind=kind), {}), NOW)
    assert str(told.value) == why
    status = failed_status(made, "no scale", NOW)
    assert (status.disruptions_allowed, status.conditions[0].reason) == (0, "SyncFailed")


@given(
    st.sampled_from(["minAvailable", "maxUnavailable"]),
    st.one_of(st.integers(0, 6), st.integers(0, 100).map(lambda n: f"{n}%")),
    st.lists(st.tuples(st.booleans(), st.booleans()), max_size=8),
)
def test_what_is_allowed_keeps_the_promise(kind, value, shapes):
    present = tuple(
        pod(f"p{n}", ready=ready, going=going) for n, (ready, going) in enumerate(shapes)
    )
    made = budget(**{kind: value})
    status, _ = plan_status(Observed(made, present, {"r1": len(present)}), NOW)
    left = status.current_healthy - status.disruptions_allowed
    assert left >= min(status.desired_healthy, status.current_healthy)
    again, _ = plan_status(
        Observed(made.with_(status=status), present, {"r1": len(present)}),
        NOW + timedelta(seconds=1),
    )
    assert again == status
