"""When a pod of a node that fences itself is dead for certain."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller_manager.nodelifecycle import fenced
from wherry.api import fencing
from wherry.api.coordination_v1 import Lease
from wherry.api.core_v1 import Pod

SECONDS = st.floats(0, 600, allow_nan=False)


def pod(owner="StatefulSet", deleted=True, grace=10, asked=None):
    metadata = {
        "name": "db-0",
        "ownerReferences": [
            {"kind": owner, "name": "db", "uid": "u", "apiVersion": "apps/v1", "controller": True}
        ],
    }
    if deleted:
        metadata["deletionTimestamp"] = "2026-11-21T12:00:00Z"
    if asked is not None:
        metadata["deletionGracePeriodSeconds"] = asked
    spec = {} if grace is None else {"terminationGracePeriodSeconds": grace}
    return Pod.from_wire({"metadata": metadata, "spec": spec})


def lease(**annotations):
    return Lease.from_wire({"metadata": {"annotations": annotations}})


def test_the_promise_is_on_the_lease():
    assert fenced.promise(lease(**fencing.with_promise({}, 20))) == 20
    assert fenced.promise(lease(**{fencing.ANNOTATION: "soon"})) is None
    assert fenced.promise(lease(**{fencing.ANNOTATION: "-1"})) is None
    assert fenced.promise(lease()) is None
    assert fenced.promise(None) is None
    assert fencing.with_promise({fencing.ANNOTATION: "20", "a": "b"}, 0) == {"a": "b"}


def test_only_pods_of_stateful_sets_that_are_to_end():
    assert fenced.concerns(pod())
    assert not fenced.concerns(pod(deleted=False))
    assert not fenced.concerns(pod(owner="ReplicaSet"))


def test_the_promise_the_grace_and_the_margin_are_waited_for():
    assert fenced.dead([pod()], 20, 1000, 1034.9) == []
    assert fenced.dead([pod()], 20, 1000, 1035.0) == [pod()]
    assert fenced.dead_from(pod(grace=None), 20, 1000) == 1055, "30 s is what no number means"
    assert fenced.dead_from(pod(grace=5, asked=60), 20, 1000) == 1085, "the longer one counts"


@given(
    after=st.floats(1, 600, allow_nan=False),
    grace=st.integers(0, 300),
    sent_before=SECONDS,
    seen_later=SECONDS,
    slow_stop=st.floats(0, fenced.MARGIN_SECONDS),
)
def test_nobody_is_given_up_while_the_node_may_still_run_it(
    after, grace, sent_before, seen_later, slow_stop
):
    """The node counts from when it asked, which is before we saw it: whatever the delays of the
    network, its pod has ended before we say so."""
    seen_at = 1000.0 + seen_later
    asked_at = 1000.0 - sent_before
    ended_at = asked_at + after + grace + slow_stop
    victim = pod(grace=grace)
    assert fenced.dead([victim], after, seen_at, min(ended_at, seen_at + after + grace)) == []
    assert fenced.dead_from(victim, after, seen_at) >= ended_at
