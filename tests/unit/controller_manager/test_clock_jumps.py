"""Clocks that jump, forward and back: what was decided by time is decided once, and never too early."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from controller_manager.cronjob.plan import Observed, plan_cron, started
from controller_manager.deployment import status as deployment_status
from controller_manager.job import failure
from controller_manager.podautoscaler.behavior import Bounds, Memory, normalize, rules_of
from controller_manager.ttlafterfinished.plan import plan_expiry
from wherry.api.apps_v1 import Deployment
from wherry.api.batch_v1 import CronJob, Job
from wherry.api.model import format_time

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
# Seconds by which the clock moves between two looks: mostly on, sometimes far, sometimes back.
JUMPS = st.lists(st.one_of(st.integers(0, 90), st.integers(-7200, 7200)), min_size=1, max_size=30)


def moments(jumps):
    now = NOON
    for jump in jumps:
        now += timedelta(seconds=jump)
        yield now


@given(JUMPS, st.sampled_from(["Allow", "Forbid", "Replace"]))
def test_a_cron_job_starts_each_moment_once_and_none_before_it_is_due(jumps, policy):
    cron_job = CronJob.from_wire(
        {
            "metadata": {
                "name": "tick", "namespace": "ns", "uid": "c", "creationTimestamp": format_time(NOON),
            },
            "spec": {
                "schedule": "*/5 * * * *", "concurrencyPolicy": policy,
                "jobTemplate": {"spec": {"template": {"spec": {}}}},
            },
        }
    )  # fmt: skip
    seen: set[str] = set()
    for now in moments(jumps):
        plan = plan_cron(Observed(cron_job, ()), now)
        if plan.start is None or plan.scheduled is None:
            continue
        name = plan.start.metadata.name
        assert name not in seen, "one moment twice"
        assert plan.scheduled <= now, "too early"
        seen.add(name)
        metadata = plan.start.metadata.with_(uid=name)
        status = started(plan.status, plan.start.with_(metadata=metadata), plan.scheduled)
        cron_job = cron_job.with_(status=status.with_(active=[]))  # it ended at once


@given(JUMPS, st.integers(0, 3600))
def test_a_job_is_never_deleted_before_its_time(jumps, seconds):
    end = {"type": "Complete", "status": "True", "lastTransitionTime": format_time(NOON)}
    job = Job.from_wire(
        {
            "metadata": {"name": "j", "namespace": "ns", "uid": "j"},
            "spec": {"ttlSecondsAfterFinished": seconds, "template": {"spec": {}}},
            "status": {"conditions": [end]},
        }
    )
    for now in moments(jumps):
        plan = plan_expiry(job, now)
        if plan.actions:
            assert (now - NOON).total_seconds() >= seconds
        else:
            assert plan.requeue_after is not None
            assert plan.requeue_after > 0


@given(JUMPS, st.integers(1, 30))
def test_a_back_off_is_never_longer_than_it_is(jumps, count):
    for now in moments(jumps):
        assert 0.0 <= failure.wait_of(count, NOON, now) <= failure.BACKOFF_SECONDS_MAX


@given(JUMPS)
def test_a_rollout_is_late_only_when_its_deadline_is_past(jumps):
    deployment = Deployment.from_wire(
        {"metadata": {"name": "d", "generation": 1}, "spec": {"progressDeadlineSeconds": 60, "replicas": 3, "template": {}}}
    )  # fmt: skip
    begun = deployment_status.make("Progressing", "True", "ReplicaSetUpdated", "", NOON)
    before = deployment.status.with_(conditions=[begun], observed_generation=1)
    for now in moments(jumps):
        after = deployment_status.with_progress(deployment, before, before, None, now)
        late = deployment_status.find(after, "Progressing").reason == "ProgressDeadlineExceeded"
        assert late == ((now - NOON).total_seconds() > 60)


@given(JUMPS, st.lists(st.integers(0, 40), min_size=1, max_size=30))
def test_an_autoscaler_stays_within_its_bounds_and_its_memory(jumps, wishes):
    memory, current = Memory(), 5
    up, down = rules_of(None, 300)
    for now, wish in zip(moments(jumps), wishes, strict=False):
        found = normalize(wish, Bounds(current, 2, 20), up, down, memory, now)
        assert 2 <= found.replicas <= 20
        assert found.replicas <= max(2 * current, 4)
        memory.note_change(current, found.replicas, now)
        current = found.replicas
    assert len(memory.wishes) <= 1000
