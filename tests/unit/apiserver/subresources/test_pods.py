"""Binding a pod to a node."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.subresources.pods import assign_node
from wherry.api.errors import ApiError

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def pod(spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    named = {"name": "p", "uid": "u", "resourceVersion": "5", **metadata}
    return {"metadata": named, "spec": spec or {}, "status": {"phase": "Pending"}}


def binding(**metadata: Any) -> dict[str, Any]:
    return {"metadata": metadata, "target": {"kind": "Node", "name": "n1"}}


def test_the_node_is_set_and_the_condition_says_so() -> None:
    found = pod(annotations={"a": "1"})
    waiting = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    found["status"]["conditions"] = [waiting, {"type": "Other", "status": "True"}]
    assign_node(found, binding(annotations={"b": "2"}), "p", NOW)
    assert found["spec"]["nodeName"] == "n1"
    assert found["metadata"]["annotations"] == {"a": "1", "b": "2"}
    assert found["status"]["conditions"] == [
        {"type": "Other", "status": "True"},
        {
            "type": "PodScheduled", "status": "True", "lastProbeTime": None,
            "lastTransitionTime": "2026-11-21T00:00:00Z",
        },
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("found", "asked", "why"),
    [
        (pod({"nodeName": "n0"}), {}, 'pod p is already assigned to node "n0"'),
        (
            pod(deletionTimestamp="2026-11-21T00:00:00Z"), {},
            "pod p is being deleted, cannot be assigned to a host",
        ),
        (
            pod({"schedulingGates": [{"name": "g"}]}), {},
            "pod p has non-empty .spec.schedulingGates",
        ),
        (
            pod(), {"uid": "other"},
            "Precondition failed: UID in precondition: other, UID in object meta: u",
        ),
    ],
    ids=["bound", "deleted", "gated", "another pod"],
)  # fmt: skip
def test_conflicts(found: dict[str, Any], asked: dict[str, Any], why: str) -> None:
    with pytest.raises(ApiError) as refusal:
        assign_node(found, binding(**asked), "p", NOW)
    assert refusal.value.code == 409
    assert refusal.value.message == f'Operation cannot be fulfilled on pods/binding "p": {why}'
