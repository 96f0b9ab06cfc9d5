from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apiserver.registry.deletion import (
    DeleteOptions,
    Mark,
    Pending,
    Remove,
    check_preconditions,
    ends_with_update,
    plan_delete,
)
from apiserver.registry.strategy import Strategy
from wherry.api.errors import ApiError
from wherry.api.scheme import BY_PLURAL

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def at(seconds: int) -> str:
    return (NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Plain(Strategy):
    resource = BY_PLURAL["", "v1", "configmaps"]


class Graceful(Strategy):
    resource = BY_PLURAL["", "v1", "pods"]
    has_grace_period = True

    def grace_period(self, tree: Any, asked: int | None) -> int:
        return 30 if asked is None else asked


class Namespaces(Strategy):
    resource = BY_PLURAL["", "v1", "namespaces"]


def tree(**metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "n", "uid": "u", "resourceVersion": "9", **metadata}}


def marked(seconds: int, grace: int | None, **more: Any) -> dict[str, Any]:
    found = tree(deletionTimestamp=at(seconds), **more)
    if grace is not None:
        found["metadata"]["deletionGracePeriodSeconds"] = grace
    return found


@pytest.mark.parametrize(
    ("strategy", "old", "options", "kind", "changed"),
    [
        pytest.param(Plain(), tree(), DeleteOptions(), Remove, {}, id="plain goes at once"),
        pytest.param(Plain(), tree(finalizers=["x/y"]), DeleteOptions(), Mark,
                     {"deletionTimestamp": at(0), "deletionGracePeriodSeconds": 0,
                      "finalizers": ["x/y"]}, id="finalizers hold"),
        pytest.param(Plain(), tree(finalizers=["x/y"], generation=3), DeleteOptions(), Mark,
                     {"deletionTimestamp": at(0), "deletionGracePeriodSeconds": 0,
                      "finalizers": ["x/y"], "generation": 4}, id="marking counts a generation"),
        pytest.param(Plain(), marked(-9, 0, finalizers=["x/y"]), DeleteOptions(), Pending, {},
                     id="finalizers still hold"),
        pytest.param(Plain(), marked(-9, 0, finalizers=["foregroundDeletion"]),
                     DeleteOptions(propagation="Background"), Remove, {}, id="no longer foreground"),
        pytest.param(Plain(), marked(-9, 0, finalizers=["x/y", "foregroundDeletion"]),
                     DeleteOptions(propagation="Orphan"), Mark,
                     {"deletionTimestamp": at(-9), "deletionGracePeriodSeconds": 0,
                      "finalizers": ["x/y", "orphan"]}, id="orphan after foreground"),
        pytest.param(Plain(), tree(), DeleteOptions(propagation="Foreground"), Mark,
                     {"deletionTimestamp": at(0), "deletionGracePeriodSeconds": 0,
                      "finalizers": ["foregroundDeletion"]}, id="foreground"),
        pytest.param(Plain(), tree(), DeleteOptions(orphan=True), Mark,
                     {"deletionTimestamp": at(0), "deletionGracePeriodSeconds": 0,
                      "finalizers": ["orphan"]}, id="orphan"),
        pytest.param(Plain(), tree(finalizers=["orphan"]), DeleteOptions(propagation="Background"),
                     Remove, {}, id="background forgets an orphan finalizer"),
        pytest.param(Plain(), tree(finalizers=["orphan"]), DeleteOptions(), Mark,
                     {"deletionTimestamp": at(0), "deletionGracePeriodSeconds": 0,
                      "finalizers": ["orphan"]}, id="an orphan finalizer counts by default"),
        pytest.param(Graceful(), tree(), DeleteOptions(), Mark,
                     {"deletionTimestamp": at(30), "deletionGracePeriodSeconds": 30},
                     id="grace period"),
        pytest.param(Graceful(), tree(), DeleteOptions(grace_period_seconds=0), Remove, {},
                     id="grace 0"),
        pytest.param(Graceful(), tree(finalizers=["x/y"]), DeleteOptions(grace_period_seconds=0),
                     Mark, {"deletionTimestamp": at(0), "deletionGracePeriodSeconds": 0,
                            "finalizers": ["x/y"]}, id="grace 0 with finalizers"),
        pytest.param(Graceful(), marked(20, 30), DeleteOptions(), Pending, {}, id="asked again"),
        pytest.param(Graceful(), marked(20, 30), DeleteOptions(grace_period_seconds=60), Pending,
                     {}, id="never longer"),
        pytest.param(Graceful(), marked(20, 30), DeleteOptions(grace_period_seconds=5), Mark,
                     {"deletionTimestamp": at(-5), "deletionGracePeriodSeconds": 5}, id="shorter"),
        pytest.param(Graceful(), marked(20, 30), DeleteOptions(grace_period_seconds=0), Remove, {},
                     id="the kubelet ends it"),
        pytest.param(Graceful(), marked(20, None), DeleteOptions(), Remove, {},
                     id="marked without a period"),
        pytest.param(Graceful(), marked(-1, 0, finalizers=["x/y"]),
                     DeleteOptions(grace_period_seconds=0), Pending, {}, id="only finalizers left"),
        pytest.param(Namespaces(), {**tree(), "status": {"phase": "Active"}}, DeleteOptions(), Mark,
                     {"deletionTimestamp": at(0)}, id="namespace is marked"),
        pytest.param(Namespaces(), {**marked(-1, None), "spec": {"finalizers": ["kubernetes"]}},
                     DeleteOptions(), Pending, {}, id="namespace waits for its finalizers"),
        pytest.param(Namespaces(), {**marked(-1, None), "spec": {}}, DeleteOptions(), Remove, {},
                     id="empty namespace goes"),
    ],
)  # fmt: skip
def test_plan(
    strategy: Strategy, old: dict[str, Any], options: DeleteOptions, kind: type, changed: Any
) -> None:
    before = repr(old)
    plan = plan_delete(strategy, old, options, NOW)
    assert type(plan) is kind
    assert repr(old) == before, "the old object is shared"
    if kind is Mark:
        identity = {"name": "n", "uid": "u", "resourceVersion": "9"}
        assert plan.tree["metadata"] == {**identity, **changed}


def test_plans_end() -> None:
    """Marking what is marked changes nothing more, whatever was asked first."""
    for options in (
        DeleteOptions(),
        DeleteOptions(propagation="Orphan"),
        DeleteOptions(orphan=True),
    ):
        for old in (tree(), tree(finalizers=["a/b"])):
            for strategy in (Plain(), Graceful(), Namespaces()):
                plan = plan_delete(strategy, old, options, NOW)
                if isinstance(plan, Mark):
                    again = plan_delete(strategy, plan.tree, DeleteOptions(), NOW)
                    assert not isinstance(again, Mark)


@pytest.mark.parametrize(("uid", "version"), [("other", ""), ("", "8"), ("u", "8")])
def test_preconditions(uid: str, version: str) -> None:
    check_preconditions(Plain.resource, tree(), "u", "9")
    with pytest.raises(ApiError, match="Precondition failed") as refusal:
        check_preconditions(Plain.resource, tree(), uid, version)
    assert refusal.value.code == 409


@pytest.mark.parametrize(
    ("resource", "new", "old", "expected"),
    [
        pytest.param("configmaps", tree(), marked(-1, 0, finalizers=["x/y"]), True, id="last one"),
        pytest.param("configmaps", tree(finalizers=["x/y"]), marked(-1, 0), False, id="one left"),
        pytest.param("configmaps", tree(), tree(finalizers=["x/y"]), False, id="not deleted"),
        pytest.param("pods", tree(), marked(20, 30), False, id="grace period runs"),
        pytest.param("namespaces", {**tree(), "spec": {}}, marked(-1, None), True, id="emptied"),
        pytest.param("namespaces", {**tree(), "spec": {"finalizers": ["kubernetes"]}},
                     marked(-1, None), False, id="not emptied"),
    ],
)  # fmt: skip
def test_ends_with_update(resource: str, new: Any, old: Any, expected: bool) -> None:
    assert ends_with_update(BY_PLURAL["", "v1", resource], new, old) is expected
