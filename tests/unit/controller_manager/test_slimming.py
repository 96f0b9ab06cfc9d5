"""Slim pods keep what controllers read, and share what is equal."""

from __future__ import annotations

import pytest

from controller_manager.job import failure
from controller_manager.replicaset.rank import deletion_key
from controller_manager.slimming import PARTS_MAX, Parts, PodSlimmer
from tests.unit.controller_manager.job.world import NOW, job
from wherry.api.core_v1 import Pod


def pod(name="p", owner="ReplicaSet", phase="Running", restarts=0, ended=None, **spec):
    state = {"running": {"startedAt": "2026-11-21T11:00:00Z"}}
    if ended is not None:
        state = {"terminated": {"exitCode": ended, "finishedAt": "2026-11-21T11:30:00Z"}}
    reference = {
        "apiVersion": "x/v1", "kind": owner, "name": "o", "uid": "o1", "controller": True,
    }  # fmt: skip
    return Pod.from_wire(
        {
            "metadata": {
                "name": name, "namespace": "ns", "uid": name, "labels": {"a": "b"},
                "managedFields": [{"manager": "m"}], "ownerReferences": [reference],
            },
            "spec": {
                "nodeName": "n", "volumes": [{"name": "v"}],
                "containers": [{"name": "c", "image": "i", "env": [{"name": "A"}], "ports": [{"containerPort": 1}]}],
                **spec,
            },
            "status": {
                "phase": phase, "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}],
                "conditions": [
                    {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-21T11:00:00Z"},
                    {"type": "Odd", "status": "True"},
                ],
                "containerStatuses": [
                    {"name": "c", "image": "i", "imageID": "x", "restartCount": restarts, "state": state}
                ],
            },
        }
    )  # fmt: skip


def test_slim_pods_keep_what_controllers_read():
    whole = pod()
    slim = PodSlimmer()(whole)
    assert slim.metadata.managed_fields == []
    assert slim.spec.volumes == []
    assert slim.spec.containers[0].ports == whole.spec.containers[0].ports
    assert (slim.spec.node_name, slim.metadata.labels) == ("n", {"a": "b"})
    assert (slim.status.pod_ip, slim.status.pod_ips) == ("10.0.0.1", whole.status.pod_ips)
    assert [c.type for c in slim.status.conditions] == ["Ready"]
    assert slim.status.container_statuses == []


@pytest.mark.parametrize(
    "one", [pod(), pod(restarts=3), pod(phase="Failed", ended=3), pod(phase="Pending", nodeName="")]
)
def test_decisions_about_a_slim_pod_are_the_same(one):
    slim = PodSlimmer()(one)
    assert deletion_key(slim, 1, NOW) == deletion_key(one, 1, NOW)
    if one.status.phase == "Failed":
        assert failure.finished_at(slim) == failure.finished_at(one)


@pytest.mark.parametrize(
    "rule",
    [
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [3]}},
        {"action": "Ignore", "onPodConditions": [{"type": "Odd", "status": "True"}]},
    ],
)
def test_a_jobs_failure_policy_finds_what_it_asks_for(rule):
    one = pod(owner="Job", phase="Failed", ended=3)
    asking = job(podFailurePolicy={"rules": [rule]})
    found = failure.match(asking, PodSlimmer()(one))
    assert found == failure.match(asking, one)
    assert found.action == rule["action"]


def test_equal_parts_are_kept_once():
    slimmer = PodSlimmer()
    one, two, other = (slimmer(p) for p in (pod("one"), pod("two"), pod("three", nodeName="m")))
    assert one.spec is two.spec
    assert one.metadata.labels is two.metadata.labels
    assert one.metadata.owner_references is two.metadata.owner_references
    assert (one.metadata.name, two.metadata.name) == ("one", "two")
    assert other.spec.node_name == "m"


def test_the_number_of_parts_is_bounded():
    parts = Parts()
    first = parts.one(0, ["first"])
    for number in range(1, PARTS_MAX + 1):
        parts.one(number, [number])
    assert parts.one(0, ["second"]) == ["second"]
    assert first == ["first"]
