"""Silence, disruption, taints, eviction and the rate of it."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller_manager.nodelifecycle import health, plan, taints, zones
from controller_manager.nodelifecycle.eviction import leaves_at, plan_eviction
from controller_manager.nodelifecycle.health import Grace
from controller_manager.nodelifecycle.limiter import Limiter
from controller_manager.nodelifecycle.zones import Disruption, Rates
from controller_manager.plan import Delete, Emit, Patch
from wherry.api.coordination_v1 import Lease
from wherry.api.core_v1 import Node, Pod
from wherry.api.core_v1.node import Taint
from wherry.api.model import format_micro_time, format_time

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
GRACE = Grace(running=40, startup=60)


def after(seconds):
    return NOW + timedelta(seconds=seconds)


def node(name="n1", ready="True", heartbeat=NOW, held=(), **more):
    condition = {"type": "Ready", "status": ready, "lastHeartbeatTime": format_time(heartbeat)}
    return Node.from_wire(
        {
            "metadata": {"name": name, "creationTimestamp": format_time(NOW), "resourceVersion": "5", **more.pop("metadata", {})},
            "spec": {"taints": [t.to_wire() for t in held], **more},
            "status": {"conditions": [condition] if ready else []},
        }
    )  # fmt: skip


def lease(renewed, revision=0):
    return Lease.from_wire(
        {
            "metadata": {"resourceVersion": str(revision)},
            "spec": {"renewTime": format_micro_time(renewed)},
        }
    )


def test_silence_is_counted_from_the_last_change_we_saw():
    seen = health.heard(None, node(), lease(NOW), 1000.0)
    seen = health.heard(seen, node(), lease(NOW), 1030.0)
    assert seen.heard_at == 1000, "the same heartbeat again is no sign of life"
    assert not health.is_silent(node(), seen, GRACE, 1040.0)
    assert health.is_silent(node(), seen, GRACE, 1041.0)


@pytest.mark.parametrize(
    ("fresh", "renewed"),
    [
        pytest.param(node(heartbeat=after(20)), NOW, id="status"),
        pytest.param(node(), after(20), id="lease"),
        pytest.param(node(), after(-3000), id="a lease by a clock that went back"),
    ],
)
def test_signs_of_life(fresh, renewed):
    seen = health.heard(None, node(), lease(NOW), 1000.0)
    assert health.heard(seen, fresh, lease(renewed), 1035.0).heard_at == 1035


def test_a_cache_that_lags_behind_is_no_sign_of_life():
    seen = health.heard(None, node(), lease(after(2), revision=12), 1000.0)
    assert health.heard(seen, node(), lease(NOW, revision=10), 1035.0) == seen


def test_only_a_renewed_lease_counts_as_one():
    seen = health.heard(None, node(), lease(NOW), 1000.0)
    seen = health.heard(seen, node(heartbeat=after(20)), lease(NOW), 1020.0)
    assert (seen.heard_at, seen.lease_at) == (1020, 1000)


def test_a_node_never_heard_of_has_the_startup_grace():
    fresh = node(ready="")
    seen = health.heard(None, fresh, None, 1000.0)
    assert not health.is_silent(fresh, seen, GRACE, 1060.0)
    assert health.is_silent(fresh, seen, GRACE, 1061.0)


def test_forgiven_nodes_have_a_full_grace():
    seen = health.forgive(health.heard(None, node(), None, 1000.0), 1500.0)
    assert not health.is_silent(node(), seen, GRACE, 1539.0)


@given(st.floats(0, 100, allow_nan=False), st.floats(0, 1000, allow_nan=False), st.floats(0, 50))
def test_time_without_answers_is_nobodys_silence(heard_at, gap, later):
    """The silence that counts is never more than the time in which the server answered."""
    seen = health.heard(None, node(), lease(NOW), heard_at)
    now = heard_at + gap + later
    excused = health.excuse(seen, gap, now)
    assert heard_at <= excused.heard_at <= now
    assert now - excused.heard_at <= later + 1e-6
    assert excused.lease_at == seen.lease_at, "what a node promised on its Lease goes by its clock"


def test_a_silent_node_becomes_unknown_in_upstreams_words():
    changed, written = plan.plan_silence(node(), after(50))
    assert health.ready_status(changed) == "Unknown"
    patch, told = written.actions
    conditions = {c["type"]: c for c in patch.patch["status"]["conditions"]}
    assert (conditions["Ready"]["reason"], conditions["Ready"]["message"]) == (
        "NodeStatusUnknown", "Kubelet stopped posting node status.",
    )  # fmt: skip
    assert conditions["MemoryPressure"]["reason"] == "NodeStatusNeverUpdated"
    assert (told.reason, told.message) == ("NodeNotReady", "Node n1 status is now: NodeNotReady")
    again, nothing = plan.plan_silence(changed, after(55))
    assert again is changed
    assert nothing.actions == ()


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("", Disruption.NONE),
        ("RRR", Disruption.NONE),
        ("RRSS", Disruption.NONE),
        ("RSS", Disruption.PARTIAL),
        ("RSSS", Disruption.PARTIAL),
        ("RRRRSSS", Disruption.NONE),
        ("S", Disruption.FULL),
        ("SSSS", Disruption.FULL),
    ],
)
def test_disruption(states, expected):
    members = [node(ready="True" if s == "R" else "Unknown") for s in states]
    assert zones.disruption(members, 0.55) is expected


@pytest.mark.parametrize(
    ("state", "size", "expected"),
    [
        (Disruption.NONE, 3, 0.1),
        (Disruption.PARTIAL, 50, 0.0),
        (Disruption.PARTIAL, 51, 0.01),
        (Disruption.FULL, 51, 0.1),
    ],
)
def test_rates(state, size, expected):
    assert zones.rate(state, size, Rates(0.1, 0.01, 50, 0.55)) == expected


def test_zones_are_told_apart():
    one = node(metadata={"labels": {zones.ZONE_LABEL: "a"}})
    assert set(zones.by_zone([one, node()])) == {":a", ":"}
    assert zones.is_full_everywhere({"a": Disruption.FULL})
    assert not zones.is_full_everywhere({"a": Disruption.FULL, "b": Disruption.NONE})
    assert not zones.is_full_everywhere({})


EXECUTE = [Taint(key=taints.UNREACHABLE, effect="NoExecute", time_added=NOW)]
FOREIGN = Taint(key="mine", effect="NoExecute")


def keys(found):
    return {
        (t["key"].rpartition("/")[2], t["effect"]) for t in found.actions[0].patch["spec"]["taints"]
    }


@pytest.mark.parametrize(
    ("one", "disrupted", "granted", "expected"),
    [
        pytest.param(node(), False, True, None, id="ready: nothing"),
        pytest.param(node(ready="Unknown"), False, False, {("unreachable", "NoSchedule")}, id="limited"),
        pytest.param(
            node(ready="Unknown"), False, True,
            {("unreachable", "NoSchedule"), ("unreachable", "NoExecute")}, id="granted",
        ),
        pytest.param(
            node(ready="False"), False, True,
            {("not-ready", "NoSchedule"), ("not-ready", "NoExecute")}, id="not ready",
        ),
        pytest.param(
            node(ready="False", held=EXECUTE), False, False,
            {("not-ready", "NoSchedule"), ("not-ready", "NoExecute")}, id="swapped at once",
        ),
        pytest.param(node(held=[*EXECUTE, FOREIGN]), False, False, {("mine", "NoExecute")}, id="back"),
        pytest.param(
            node(ready="Unknown", held=EXECUTE), True, False,
            {("unreachable", "NoSchedule")}, id="full disruption takes it off",
        ),
        pytest.param(node(unschedulable=True), False, False, {("unschedulable", "NoSchedule")}, id="cordoned"),
    ],
)  # fmt: skip
def test_taints(one, disrupted, granted, expected):
    found = plan.plan_taints(one, disrupted=disrupted, granted=granted, now=NOW)
    if expected is None:
        assert found.actions == ()
    else:
        assert keys(found) == expected
        assert found.actions[0].patch["metadata"] == {"resourceVersion": "5"}


@pytest.mark.parametrize(
    ("ready", "held", "disrupted", "expected"),
    [
        ("True", (), False, False),
        ("Unknown", (), False, True),
        ("Unknown", EXECUTE, False, False),
        ("Unknown", (), True, False),
    ],
)
def test_who_needs_a_grant(ready, held, disrupted, expected):
    assert plan.wants_no_execute(node(ready=ready, held=held), disrupted=disrupted) is expected


def test_pods_of_a_silent_node_lose_their_readiness():
    ready = Pod.from_wire(
        {"metadata": {"name": "p", "namespace": "ns", "uid": "u"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    )  # fmt: skip
    patch, told = plan.plan_pods_not_ready([ready, Pod()], NOW).actions
    assert patch.patch["status"]["conditions"][0]["status"] == "False"
    assert (told.type, told.reason, told.message) == (
        "Warning",
        "NodeNotReady",
        "Node is not ready",
    )


def pod(*tolerations, started=None, deleted=False):
    tree = {
        "metadata": {"name": "p", "namespace": "ns", "uid": "u"},
        "spec": {"tolerations": list(tolerations)},
    }
    if started:
        tree["status"] = {"startTime": format_time(started)}
    if deleted:
        tree["metadata"]["deletionTimestamp"] = format_time(NOW)
    return Pod.from_wire(tree)


def tolerate(seconds=None, **more):
    base = {"key": taints.UNREACHABLE, "operator": "Exists", "effect": "NoExecute"}
    if seconds is not None:
        base["tolerationSeconds"] = seconds
    return {**base, **more}


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        pytest.param(pod(), after(10), id="no toleration: now"),
        pytest.param(pod(tolerate()), None, id="for ever"),
        pytest.param(pod(tolerate(300)), after(300), id="for a time, from when the taint came"),
        pytest.param(pod(tolerate(300, effect="")), after(300), id="any effect"),
        pytest.param(pod({"operator": "Exists"}), None, id="everything"),
        pytest.param(pod(tolerate(300), tolerate(5)), after(5), id="the shortest holds"),
        pytest.param(pod(tolerate(-1)), NOW, id="negative is at once"),
        pytest.param(
            pod(tolerate(300), started=after(8)), after(308), id="came later than the taint"
        ),
        pytest.param(pod(tolerate(key="other")), after(10), id="another taint"),
        pytest.param(pod(tolerate(operator="Equal", value="x")), after(10), id="another value"),
    ],
)
def test_when_a_pod_leaves(one, expected):
    assert leaves_at(one, EXECUTE, after(10)) == expected


def test_no_taint_no_leaving():
    assert leaves_at(pod(), [Taint(key="x", effect="NoSchedule")], NOW) is None


def test_eviction_is_told_and_marked():
    told, patch, delete = plan_eviction(pod(), EXECUTE, None, NOW).actions
    assert isinstance(told, Emit)
    assert told.message == "Marking for deletion Pod ns/p"
    assert isinstance(patch, Patch)
    assert patch.patch["status"]["conditions"][0]["reason"] == "DeletionByTaintManager"
    assert isinstance(delete, Delete)
    assert delete.uid == "u"


def test_eviction_waits_and_is_cancelled():
    later = plan_eviction(pod(tolerate(300)), EXECUTE, None, after(10))
    assert (later.actions, later.requeue_after) == ((), 290.0)
    (told,) = plan_eviction(pod(tolerate(300)), [], NOW, after(20)).actions
    assert told.message == "Cancelling deletion of Pod ns/p"
    assert plan_eviction(pod(deleted=True), EXECUTE, None, NOW).actions == ()


def test_a_taint_without_a_time_counts_from_when_it_was_noted():
    """As `kubectl taint` makes it."""
    taints = [Taint(key="gone", effect="NoExecute")]
    one = pod(tolerate(5, key="gone"))
    assert plan_eviction(one, taints, None, NOW).requeue_after == 5.0
    assert plan_eviction(one, taints, NOW, after(3)).requeue_after == 2.0
    assert plan_eviction(one, taints, NOW, after(5)).actions


@given(st.floats(0.01, 10), st.lists(st.floats(0, 30), min_size=1, max_size=60))
def test_the_limiter_never_exceeds_its_rate(rate, moments):
    limiter = Limiter(rate)
    taken = [moment for moment in sorted(moments) if limiter.take(moment)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(taken)]
    assert all(gap >= 1 / rate - 1e-9 for gap in gaps)


def test_rate_zero_gives_nothing_and_a_new_rate_counts_from_then():
    limiter = Limiter(0)
    assert not limiter.take(100)
    limiter.set_rate(2, 100)
    assert not limiter.take(100.4)
    assert limiter.take(100.5)


@given(
    st.lists(st.sampled_from(("True", "False", "Unknown")), min_size=1, max_size=8),
    st.lists(st.sampled_from(("", "a", "b")), min_size=8, max_size=8),
    st.booleans(),
)
def test_nobody_is_expelled_while_no_node_is_ready(states, places, held):
    """And nothing but readiness and the rate decides otherwise."""
    labels = [{"labels": {zones.ZONE_LABEL: place}} if place else {} for place in places]
    members = [
        node(f"n{i}", ready=state, held=EXECUTE if held else (), metadata=labels[i])
        for i, state in enumerate(states)
    ]
    judged = {z: zones.disruption(ms, 0.55) for z, ms in zones.by_zone(members).items()}
    disrupted = zones.is_full_everywhere(judged)
    assert disrupted == ("True" not in states)
    for one in members:
        found = plan.plan_taints(one, disrupted=disrupted, granted=True, now=NOW)
        changed = one.spec.taints
        if found.actions:
            changed = [Taint.from_wire(t) for t in found.actions[0].patch["spec"]["taints"]]
        expelled = any(t.effect == "NoExecute" for t in changed)
        assert expelled == (not disrupted and health.ready_status(one) != "True")


@given(
    st.lists(st.floats(0, 2, allow_nan=False), min_size=2, max_size=6),
    st.floats(7, 12, allow_nan=False),
)
def test_nodes_that_are_lost_together_fall_silent_together(last_heard, now):
    """Leases every 2 s, a grace of 7 s: whoever is silent first is not alone."""
    grace = Grace(running=7, startup=60)
    members = [node(f"n{i}") for i in range(len(last_heard))]
    seen = [
        health.heard(None, one, lease(NOW), at) for one, at in zip(members, last_heard, strict=True)
    ]
    late = {
        one.metadata.name
        for one, h in zip(members, seen, strict=True)
        if health.is_late(h, grace, now)
    }
    if any(health.is_silent(one, h, grace, now) for one, h in zip(members, seen, strict=True)):
        assert zones.disruption(members, 0.55, late) is Disruption.FULL


def test_a_node_that_renews_is_not_late():
    grace = Grace(running=7, startup=60)
    seen = health.heard(None, node(), lease(NOW), 1000.0)
    assert not health.is_late(seen, grace, 1003.4)
    dead = [node("n1", ready="Unknown"), node("n2"), node("n3")]
    assert zones.disruption(dead, 0.55, {"n1"}) is Disruption.NONE
