"""Finished Jobs go when their time is over, unfinished ones never."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controller_manager.plan import NOTHING, Delete, Plan
from controller_manager.ttlafterfinished.plan import plan_expiry
from wherry.api.batch_v1 import Job
from wherry.api.model import format_time

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def job(ttl, condition="Complete", ago=10):
    then = format_time(NOW - timedelta(seconds=ago))
    conditions = [{"type": condition, "status": "True", "lastTransitionTime": then}]
    return Job.from_wire(
        {
            "metadata": {"name": "work", "namespace": "ns", "uid": "j1"},
            "spec": {} if ttl is None else {"ttlSecondsAfterFinished": ttl},
            "status": {"conditions": conditions},
        }
    )


@pytest.mark.parametrize(
    "kept", [job(None), job(0, "FailureTarget"), job(0, "Suspended")], ids=["no ttl", "ending", "suspended"]
)  # fmt: skip
def test_kept(kept):
    assert plan_expiry(kept, NOW) == NOTHING


@pytest.mark.parametrize("condition", ["Complete", "Failed"])
@pytest.mark.parametrize("ttl", [0, 10])
def test_time_is_over(condition, ttl):
    (action,) = plan_expiry(job(ttl, condition), NOW).actions
    assert action == Delete(Job, "ns", "work", "j1", propagation_policy="Foreground")


def test_not_yet():
    assert plan_expiry(job(30), NOW) == Plan(requeue_after=20.0)


def test_one_that_goes_already():
    going = job(0)
    going = going.with_(metadata=going.metadata.with_(deletion_timestamp=NOW))
    assert plan_expiry(going, NOW) == NOTHING
