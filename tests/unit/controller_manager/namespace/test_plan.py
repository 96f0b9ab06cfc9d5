"""A terminating namespace: conditions in upstream's words, and release."""

from __future__ import annotations

from datetime import UTC, datetime

from controller_manager.namespace.plan import Outcome, Remaining, needs_work, plan_namespace
from wherry.api.core_v1 import Namespace

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def namespace(finalizers=("kubernetes",), deleted=True):
    metadata = {"name": "ns", "uid": "u", "resourceVersion": "4"}
    if deleted:
        metadata["deletionTimestamp"] = "2026-11-21T00:00:00Z"
    return Namespace.from_wire({"metadata": metadata, "spec": {"finalizers": list(finalizers)}})


def conditions(plan):
    return {
        c.type: (c.status, c.reason, c.message) for c in plan.actions[0].object.status.conditions
    }


def test_who_needs_work():
    assert needs_work(namespace())
    assert not needs_work(namespace(deleted=False))
    assert not needs_work(namespace(finalizers=["other"]))


def test_an_empty_namespace_is_released():
    plan = plan_namespace(namespace(["kubernetes", "mine"]), Outcome(), NOW)
    status, release = plan.actions
    assert status.object.status.phase == "Terminating"
    assert conditions(plan)["NamespaceContentRemaining"] == (
        "False", "ContentRemoved", "All content successfully removed",
    )  # fmt: skip
    assert release.subresource == "finalize"
    assert release.object.spec.finalizers == ["mine"]
    assert plan.requeue_after is None


def test_what_remains_is_counted():
    left = [Remaining("pods.", 2, {"f": 2}), Remaining("things.example.com", 1, {"f": 1, "g": 1})]
    plan = plan_namespace(namespace(), Outcome(left, grace_seconds=30), NOW)
    found = conditions(plan)
    assert found["NamespaceContentRemaining"] == (
        "True", "SomeResourcesRemain",
        "Some resources are remaining: pods. has 2 resource instances, "
        "things.example.com has 1 resource instances",
    )  # fmt: skip
    assert found["NamespaceFinalizersRemaining"][2] == (
        "Some content in the namespace has finalizers remaining: "
        "f in 3 resource instances, g in 1 resource instances"
    )
    assert plan.requeue_after == 16.0
    assert [a.subresource for a in plan.actions] == ["status"]


def test_failures_keep_the_namespace():
    plan = plan_namespace(namespace(), Outcome(errors=["no"], stale_groups=["g/v1"]), NOW)
    found = conditions(plan)
    assert found["NamespaceDeletionContentFailure"][:2] == ("True", "ContentDeletionFailed")
    assert (
        found["NamespaceDeletionDiscoveryFailure"][2]
        == "Discovery failed for some groups, 1 failing: g/v1"
    )
    assert plan.requeue_after is not None


def test_unchanged_conditions_are_not_written_again():
    outcome = Outcome([Remaining("pods.", 1)])
    first = plan_namespace(namespace(), outcome, NOW).actions[0].object
    later = plan_namespace(first, outcome, NOW.replace(hour=13))
    assert later.actions == ()
