"""The graph of owners, and what becomes of an object whose owners changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller_manager.garbagecollector import plan
from controller_manager.garbagecollector.graph import FOREGROUND, ORPHAN, Graph, Owner, node_of
from controller_manager.garbagecollector.plan import Keep, Remove, State
from wherry.api.meta_v1 import ObjectMeta
from wherry.api.scheme import BY_PLURAL

PODS = BY_PLURAL[("", "v1", "pods")]


def metadata(uid, *owners, deleted=False, finalizers=(), blocks=True):
    refs = [
        {"uid": o, "kind": "Pod", "apiVersion": "v1", "name": f"n-{o}", "blockOwnerDeletion": blocks}
        for o in owners
    ]  # fmt: skip
    tree = {
        "name": f"n-{uid}",
        "namespace": "ns",
        "uid": uid,
        "ownerReferences": refs,
        "finalizers": list(finalizers),
    }
    if deleted:
        tree["deletionTimestamp"] = "2026-11-21T00:00:00Z"
    return ObjectMeta.from_wire(tree)


def put(graph, *args, **kwargs):
    return graph.put(node_of(PODS, metadata(*args, **kwargs)))


def test_a_child_of_an_unknown_owner_is_looked_at():
    assert put(Graph(), "pod", "rs") == {"pod"}


def test_a_child_of_a_known_owner_is_not():
    graph = Graph()
    put(graph, "rs")
    assert put(graph, "pod", "rs") == set()


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "other"},
        {"kind": "Secret"},
        {"apiVersion": "acme.io/v1"},
        {"namespace": "elsewhere"},
    ],
)
def test_a_reference_that_is_wrong_but_for_the_uid_is_looked_at(wrong):
    graph = Graph()
    put(graph, "rs")
    tree = metadata("pod", "rs").to_wire()
    where = wrong if "namespace" in wrong else {}
    refs = [{**tree["ownerReferences"][0], **({} if where else wrong)}]
    child = ObjectMeta.from_wire({**tree, **where, "ownerReferences": refs})
    assert graph.put(node_of(PODS, child)) == {"pod"}
    assert graph.doubtful() == ["pod"]


def test_children_are_looked_at_when_the_owner_goes():
    graph = Graph()
    put(graph, "rs")
    put(graph, "a", "rs")
    put(graph, "b", "rs")
    assert graph.remove("rs") == {"a", "b"}


def test_the_same_state_again_is_no_news():
    graph = Graph()
    put(graph, "pod", "rs")
    assert put(graph, "pod", "rs") == set()


def test_an_owner_that_waits_hears_of_its_last_child():
    graph = Graph()
    put(graph, "rs")
    put(graph, "pod", "rs")
    assert put(graph, "rs", deleted=True, finalizers=[FOREGROUND]) == {"rs"}
    assert [node.uid for node in graph.blocking("rs")] == ["pod"]
    assert graph.remove("pod") == {"rs"}
    assert graph.blocking("rs") == []


def test_a_child_that_does_not_block():
    graph = Graph()
    put(graph, "rs")
    put(graph, "pod", "rs", blocks=False)
    assert graph.blocking("rs") == []
    assert [node.uid for node in graph.dependents("rs")] == ["pod"]


def test_an_orphaning_owner_is_looked_at():
    graph = Graph()
    put(graph, "rs")
    assert put(graph, "rs", deleted=True, finalizers=[ORPHAN]) == {"rs"}


def test_losing_an_owner_wakes_it():
    graph = Graph()
    put(graph, "rs")
    put(graph, "pod", "rs")
    assert put(graph, "pod") == {"rs", "pod"} - {"pod"}
    assert graph.dependents("rs") == []


@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.sets(st.sampled_from("abcde")), st.booleans()))
)
def test_edges_always_match_the_nodes(steps):
    graph, truth = Graph(), {}
    for uid, owners, gone in steps:
        if gone:
            graph.remove(uid)
            truth.pop(uid, None)
        else:
            put(graph, uid, *sorted(owners))
            truth[uid] = owners
    for owner in "abcde":
        expected = {uid for uid, owners in truth.items() if owner in owners}
        assert {node.uid for node in graph.dependents(owner)} == expected
    assert len(graph) == len(truth)


SOLID, ABSENT, WAITING = State.SOLID, State.ABSENT, State.WAITING


@pytest.mark.parametrize(
    ("states", "finalizers", "dependents", "expected"),
    [
        pytest.param({}, (), False, Keep(), id="no owners"),
        pytest.param({"a": SOLID}, (), False, Keep(), id="owned"),
        pytest.param({"a": SOLID, "b": ABSENT}, (), False, Keep(("b",)), id="one of two is gone"),
        pytest.param({"a": SOLID, "b": WAITING}, (), False, Keep(("b",)), id="one of two waits"),
        pytest.param({"a": ABSENT}, (), True, Remove("Background"), id="all gone"),
        pytest.param({"a": WAITING}, (), True, Remove("Foreground"), id="foreground goes down"),
        pytest.param({"a": WAITING}, (), False, Remove("Background"), id="foreground ends at a leaf"),
        pytest.param({"a": ABSENT}, (ORPHAN,), True, Remove("Orphan"), id="keeps its orphan wish"),
        pytest.param({"a": ABSENT}, (FOREGROUND,), True, Remove("Foreground"), id="and foreground"),
    ],
)  # fmt: skip
def test_decide(states, finalizers, dependents, expected):
    found = metadata("x", *states, finalizers=finalizers)
    assert plan.decide(found, states, dependents, False) == expected


def test_a_circle_is_unblocked():
    assert plan.decide(metadata("x", "a"), {"a": WAITING}, True, True) == Remove(
        "Foreground", unblock=True
    )


def test_patches_only_fit_the_state_they_were_made_from():
    found = metadata("x", "a", "b", finalizers=[ORPHAN, "mine"]).with_(resource_version="7")
    patch = plan.without_owners(found, ["a"])["metadata"]
    assert (patch["resourceVersion"], patch["uid"]) == ("7", "x")
    assert [ref["uid"] for ref in patch["ownerReferences"]] == ["b"]
    assert plan.without_finalizer(found, ORPHAN)["metadata"]["finalizers"] == ["mine"]
    refs = plan.unblocked(found)["metadata"]["ownerReferences"]
    assert [ref["blockOwnerDeletion"] for ref in refs] == [False, False]


@pytest.mark.parametrize(
    ("namespaced", "dependent", "expected"),
    [(True, "ns", "ns"), (False, "ns", ""), (False, "", ""), (True, "", None)],
)
def test_where_an_owner_lives(namespaced, dependent, expected):
    assert plan.owner_namespace(namespaced, dependent) == expected


def test_owner_key():
    assert plan.owner_key(Owner("u", "apps/v1", "ReplicaSet", "n", True)) == ("apps", "ReplicaSet")
    assert plan.owner_key(Owner("u", "v1", "Pod", "n", True)) == ("", "Pod")
