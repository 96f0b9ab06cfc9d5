"""The taint of control planes, decided."""

from controller_manager.controlplanetaint.plan import ROLE, SEEN_TO, plan_taint
from wherry.api.core_v1 import Node


def node(name="cp", role=True, seen="alone", taints=(), **metadata):
    labels = {ROLE: ""} if role else {}
    annotations = {SEEN_TO: seen} if seen else {}
    return Node.from_wire(
        {
            "metadata": {"name": name, "labels": labels, "annotations": annotations, **metadata},
            "spec": {"taints": list(taints)},
        }
    )


OURS = {"key": ROLE, "effect": "NoSchedule"}
OTHER = {"key": "mine", "value": "x", "effect": "NoExecute"}
WORKER = node("worker", role=False, seen="")


def after(one, nodes):
    (action,) = plan_taint(one, nodes).actions
    assert not plan_taint(action.object, nodes).actions  # carried out, nothing is left to do
    return [(t.key, t.effect) for t in action.object.spec.taints]


def test_a_machine_that_is_alone_takes_every_pod():
    assert not plan_taint(node(), [node()]).actions
    assert not plan_taint(node(), [node(), node("cp2")]).actions


def test_the_first_other_brings_the_taint_and_the_last_takes_it():
    kept = ("mine", "NoExecute")
    assert after(node(taints=[OTHER]), [node(), WORKER]) == [kept, (ROLE, "NoSchedule")]
    tainted = node(seen="others", taints=[OURS, OTHER])
    assert after(tainted, [tainted]) == [kept]


def test_an_other_that_is_being_deleted_is_none():
    going = node(
        "worker", role=False, seen="", deletionTimestamp="2026-06-01T00:00:00Z", finalizers=["a/b"]
    )
    assert not plan_taint(node(), [node(), going]).actions


def test_what_people_changed_meanwhile_is_theirs():
    untainted = node(seen="others")
    assert not plan_taint(untainted, [untainted, WORKER]).actions
    assert not plan_taint(node(taints=[OURS]), [node()]).actions


def test_nodes_that_nobody_asked_us_to_see_to_are_left_alone():
    assert not plan_taint(node(seen=""), [node(), WORKER]).actions
    assert not plan_taint(node(role=False), [node(), WORKER]).actions
