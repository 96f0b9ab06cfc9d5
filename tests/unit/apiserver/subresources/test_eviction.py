"""What budgets say about evictions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.subresources.eviction import (
    add_condition,
    guards,
    is_free_to_go,
    needs_no_budget,
    take_disruption,
)
from wherry.api.errors import ApiError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Tree = dict[str, Any]


def pod(*, ready: bool = True, phase: str = "Running", **metadata: Any) -> Tree:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {
        "metadata": {"name": "p", "labels": {"a": "b"}, **metadata},
        "status": {"phase": phase, "conditions": conditions},
    }


def budget(selector: Tree | None = None, policy: str = "", **status: Any) -> Tree:
    spec: Tree = {"selector": {"matchLabels": {"a": "b"}} if selector is None else selector}
    if policy:
        spec["unhealthyPodEvictionPolicy"] = policy
    return {
        "metadata": {"name": "x", "generation": 1},
        "spec": spec,
        "status": {"observedGeneration": 1, "disruptionsAllowed": 0, **status},
    }


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        (pod(phase="Succeeded"), True),
        (pod(phase="Failed"), True),
        (pod(phase="Pending"), True),
        (pod(deletionTimestamp="2026-01-01T00:00:00Z"), True),
        (pod(), False),
    ],
    ids=["succeeded", "failed", "pending", "going", "running"],
)
def test_pods_whose_going_disrupts_nothing(candidate: Tree, expected: bool) -> None:
    assert needs_no_budget(candidate) is expected


@pytest.mark.parametrize(
    ("selector", "labels", "expected"),
    [
        ({"matchLabels": {"a": "b"}}, {"a": "b"}, True),
        ({"matchLabels": {"a": "c"}}, {"a": "b"}, False),
        ({}, {"a": "b"}, True),
        ({}, {}, False),
    ],
    ids=["matches", "does not", "empty selects all", "no labels"],
)
def test_budgets_select_by_labels(selector: Tree, labels: Tree, expected: bool) -> None:
    assert guards(budget(selector), pod(labels=labels)) is expected


def test_a_budget_without_selector_guards_nothing() -> None:
    found = budget()
    del found["spec"]["selector"]
    assert not guards(found, pod())


@pytest.mark.parametrize(
    ("candidate", "chosen", "expected"),
    [
        (pod(), budget(policy="AlwaysAllow"), False),
        (pod(ready=False), budget(policy="AlwaysAllow"), True),
        (pod(ready=False), budget(), False),
        (pod(ready=False), budget(desiredHealthy=1, currentHealthy=1), True),
        (pod(ready=False), budget(desiredHealthy=2, currentHealthy=1), False),
    ],
    ids=["ready", "always allowed", "nothing known", "enough healthy", "too few healthy"],
)
def test_pods_that_are_not_ready(candidate: Tree, chosen: Tree, expected: bool) -> None:
    assert is_free_to_go(candidate, chosen) is expected


def test_a_disruption_is_taken_and_noted() -> None:
    found = budget(disruptionsAllowed=2)
    take_disruption(found, "p", NOW)
    assert found["status"]["disruptionsAllowed"] == 1
    assert found["status"]["disruptedPods"] == {"p": "2026-01-01T00:00:00Z"}
    assert "conditions" not in found["status"]


def test_the_last_disruption_is_told_in_a_condition() -> None:
    found = budget(disruptionsAllowed=1)
    take_disruption(found, "p", NOW)
    (condition,) = found["status"]["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "InsufficientPods")


@pytest.mark.parametrize(
    ("status", "code", "words", "retry"),
    [
        ({"desiredHealthy": 3, "currentHealthy": 2}, 429,
         "The disruption budget x needs 3 healthy pods and has 2 currently", 0),
        ({"observedGeneration": 0}, 429,
         "The disruption budget x is still being processed by the server.", 10),
        ({"conditions": [{"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": "m"}]}, 429,
         "The disruption budget x does not allow evicting pods currently because it failed sync: m", 0),
    ],
    ids=["none left", "not processed", "not synced"],
)  # fmt: skip
def test_refusals(status: Tree, code: int, words: str, retry: int) -> None:
    with pytest.raises(ApiError) as caught:
        take_disruption(budget(**status), "p", NOW)
    error = caught.value
    assert (error.code, error.reason) == (code, "TooManyRequests")
    assert error.message == "Cannot evict pod as it would violate the pod's disruption budget."
    assert error.causes == [{"reason": "DisruptionBudget", "message": words}]
    assert error.retry_after_seconds == retry


def test_counts_without_sense_are_forbidden() -> None:
    with pytest.raises(ApiError, match="pdb disruptions allowed is negative"):
        take_disruption(budget(disruptionsAllowed=-1), "p", NOW)


def test_the_pod_says_why_it_goes() -> None:
    found = pod()
    add_condition(found, NOW)
    add_condition(found, NOW)
    assert [one["type"] for one in found["status"]["conditions"]] == ["Ready", "DisruptionTarget"]
