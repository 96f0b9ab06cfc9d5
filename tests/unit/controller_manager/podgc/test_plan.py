"""Pods that nobody will end any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from controller_manager.plan import Delete
from controller_manager.podgc import plan
from wherry.api.core_v1 import Pod
from wherry.api.model import format_time

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def pod(name, phase="Running", node="n1", age=0, deleted=False):
    metadata = {
        "name": name,
        "namespace": "ns",
        "uid": name,
        "creationTimestamp": format_time(NOW - timedelta(seconds=age)),
    }
    if deleted:
        metadata["deletionTimestamp"] = format_time(NOW)
    return Pod.from_wire(
        {"metadata": metadata, "spec": {"nodeName": node}, "status": {"phase": phase}}
    )


def names(doomed):
    return [one.pod.metadata.name for one in doomed]


def test_ended_pods_beyond_the_threshold_oldest_first():
    pods = [
        pod("a", "Failed", age=1),
        pod("b", "Succeeded", age=9),
        pod("c"),
        pod("d", "Failed", age=5),
    ]
    assert names(plan.terminated(pods, 1)) == ["b", "d"]
    assert plan.terminated(pods, 0) == []


def test_orphans_and_never_scheduled():
    pods = [pod("a", node="gone"), pod("b"), pod("c", node="", deleted=True), pod("d", node="")]
    assert names(plan.orphaned(pods, frozenset({"gone"}))) == ["a"]
    assert names(plan.unscheduled_terminating(pods)) == ["c"]


def test_out_of_service_nodes_give_up_their_leaving_pods():
    pods = [pod("a", deleted=True), pod("b")]
    assert names(plan.terminating_out_of_service(pods, frozenset({"n1"}))) == ["a"]


def test_forced_out():
    patch, delete = plan.force_out(plan.Doomed(pod("a"), "PodGC: node no longer exists", True), NOW)
    assert patch.patch["status"]["phase"] == "Failed"
    assert patch.patch["status"]["conditions"][0]["reason"] == "DeletionByPodGC"
    assert isinstance(delete, Delete)
    assert (delete.uid, delete.grace_period_seconds) == ("a", 0)
    assert len(plan.force_out(plan.Doomed(pod("a", "Failed"), ""), NOW)) == 1


def test_quarantine():
    since, due = plan.after_quarantine({"x"}, {}, NOW)
    assert due == []
    since, due = plan.after_quarantine({"x"}, since, NOW + timedelta(seconds=41))
    assert due == ["x"]
    since, due = plan.after_quarantine(set(), since, NOW)
    assert since == {}
