"""The checks of a history find what they are there to find."""

from __future__ import annotations

import pytest

from tests.integration.controller_manager import history
from tests.integration.controller_manager.history import INDEX, Step


def pod(uid, *, ready=False, phase="Running", going=False, node="n", index=None):
    metadata = {"uid": uid, "labels": {"app": "a"}, "ownerReferences": [{"name": "job"}]}
    if going:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    if index is not None:
        metadata["annotations"] = {INDEX: str(index)}
    conditions = [{"type": "Ready", "status": "True"}] if ready else []
    return {
        "metadata": metadata,
        "spec": {"nodeName": node},
        "status": {"phase": phase, "conditions": conditions},
    }


def steps(*changes):
    """From (key, object or None) in order."""
    now, found = {}, []
    for revision, (key, after) in enumerate(changes):
        found.append(Step(revision, key, now.get(key), after))
        now[key] = after
    return found


def test_too_many_at_one_instant():
    told = steps(("x", pod("1")), ("y", pod("2")), ("x", pod("1", going=True)))
    history.never_more_than(told, "a", 2)
    with pytest.raises(AssertionError, match="2 pods at revision 1"):
        history.never_more_than(told, "a", 1)


def test_taken_away_when_too_few_are_ready():
    told = steps(
        ("x", pod("1", ready=True)),
        ("y", pod("2", ready=True)),
        ("x", pod("1", ready=True, going=True)),
        ("x", None),
    )
    assert history.never_taken_below(told, "a", 1) == 1
    with pytest.raises(AssertionError, match="1 ready at revision 2"):
        history.never_taken_below(told, "a", 2)


def test_two_of_one_place():
    told = steps(("x", pod("1", index=0)), ("y", pod("2", index=0)))
    with pytest.raises(AssertionError, match="two pods of"):
        history.one_at_a_time(told, "a", history.index_of)
    moved = steps(
        ("x", pod("1", index=0)), ("x", pod("1", index=0, going=True)), ("y", pod("2", index=0))
    )
    history.one_at_a_time(moved, "a", history.index_of)


def test_an_index_that_succeeds_twice():
    told = steps(
        ("x", pod("1", index=0, phase="Succeeded")), ("y", pod("2", index=1, phase="Succeeded"))
    )
    assert history.each_once(told, "a") == {"job": 2}
    told += steps(("z", pod("3", index=1, phase="Succeeded")))
    with pytest.raises(AssertionError, match="succeeded twice"):
        history.each_once(told, "a")


def test_forced_out():
    told = steps(("x", pod("1")), ("x", None))
    history.nobody_forced_out(told, {"1"})
    with pytest.raises(AssertionError, match="forced out"):
        history.nobody_forced_out(told, set())
    history.nobody_forced_out(steps(("x", pod("1", phase="Failed")), ("x", None)), set())
    history.nobody_forced_out(steps(("x", pod("1", node="")), ("x", None)), set())
