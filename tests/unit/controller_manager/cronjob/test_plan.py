"""When Jobs are started, replaced, forbidden, cleaned up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controller_manager.cronjob.plan import Observed, plan_cron, started
from controller_manager.plan import Delete, Emit
from wherry.api.batch_v1 import CronJob, Job
from wherry.api.model import format_time

NOW = datetime(2026, 11, 21, 12, 0, 1, tzinfo=UTC)


def cron_job(created=NOW - timedelta(minutes=30), last=None, active=(), **spec):
    status = {"active": [{"kind": "Job", "name": name, "uid": f"u-{name}"} for name in active]}
    if last is not None:
        status["lastScheduleTime"] = format_time(last)
    return CronJob.from_wire(
        {
            "metadata": {
                "name": "tick", "namespace": "ns", "uid": "c1",
                "creationTimestamp": format_time(created),
            },
            "spec": {
                "schedule": "@hourly", "concurrencyPolicy": "Allow",
                "successfulJobsHistoryLimit": 1, "failedJobsHistoryLimit": 1,
                "jobTemplate": {
                    "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
                    "spec": {"template": {"spec": {"containers": [{"name": "c"}]}}},
                },
                **spec,
            },
            "status": status,
        }
    )  # fmt: skip


def job(name, condition=None, minutes_ago=5):
    end = format_time(NOW - timedelta(minutes=minutes_ago))
    status = {"startTime": end}
    if condition:
        told = {"type": condition, "status": "True", "lastTransitionTime": end}
        status |= {"conditions": [told]}
        if condition == "Complete":
            status |= {"completionTime": end}
    return Job.from_wire(
        {"metadata": {"name": name, "namespace": "ns", "uid": f"u-{name}"}, "status": status}
    )


def reasons(plan):
    return [action.reason for action in plan.actions if isinstance(action, Emit)]


def test_starts_what_is_due():
    plan = plan_cron(Observed(cron_job(), ()), NOW)
    due = datetime(2026, 11, 21, 12, tzinfo=UTC)
    made = plan.start
    assert made.metadata.name == f"tick-{int(due.timestamp()) // 60}"
    assert made.metadata.labels == {"a": "b"}
    assert made.metadata.annotations == {
        "c": "d", "batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-11-21T12:00:00Z",
    }  # fmt: skip
    assert (made.metadata.owner_references[0].kind, plan.scheduled) == ("CronJob", due)
    assert plan.wait == pytest.approx(3599.1)
    status = started(plan.status, job(made.metadata.name), due)
    assert ([one.name for one in status.active], status.last_schedule_time) == (
        [made.metadata.name],
        due,
    )
    after = cron_job().with_(status=status)
    assert plan_cron(Observed(after, (job(made.metadata.name),)), NOW).start is None


def test_the_time_of_the_zone_is_told():
    plan = plan_cron(Observed(cron_job(timeZone="Asia/Kolkata", schedule="30 17 * * *"), ()), NOW)
    notes = plan.start.metadata.annotations
    assert notes["batch.kubernetes.io/cronjob-scheduled-timestamp"] == "2026-11-21T17:30:00+05:30"


@pytest.mark.parametrize(
    ("made", "told"),
    [
        pytest.param(cron_job(suspend=True), [], id="suspended"),
        pytest.param(cron_job(created=NOW), [], id="nothing due yet"),
        pytest.param(cron_job(timeZone="No/Where"), ["UnknownTimeZone"], id="zone"),
        pytest.param(cron_job(schedule="x"), ["UnparseableSchedule"], id="schedule"),
        pytest.param(cron_job(schedule="59 23 31 2 *"), ["InvalidSchedule"], id="never"),
        pytest.param(cron_job(schedule="30 11 * * *", created=NOW - timedelta(hours=9), startingDeadlineSeconds=60), ["MissSchedule"], id="too late"),
    ],
)  # fmt: skip
def test_starts_nothing(made, told):
    plan = plan_cron(Observed(made, ()), NOW)
    assert (plan.start, reasons(plan)) == (None, told)


def test_only_the_last_of_many_missed_ones():
    made = cron_job(created=NOW - timedelta(days=9))
    plan = plan_cron(Observed(made, ()), NOW)
    assert plan.scheduled == datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert reasons(plan) == ["TooManyMissedTimes"]


def test_forbid():
    made = cron_job(active=["old"], concurrencyPolicy="Forbid")
    plan = plan_cron(Observed(made, (job("old"),)), NOW)
    assert (plan.start, reasons(plan)) == (None, ["JobAlreadyActive"])
    freed = plan_cron(Observed(made, (job("old", "Complete"),)), NOW)
    assert freed.start is not None
    assert reasons(freed) == ["SawCompletedJob"]


def test_replace():
    made = cron_job(active=["old"], concurrencyPolicy="Replace")
    plan = plan_cron(Observed(made, (job("old"),)), NOW)
    deleted = [action for action in plan.actions if isinstance(action, Delete)]
    assert [(one.name, one.uid, one.propagation_policy) for one in deleted] == [
        ("old", "u-old", "Background")
    ]
    assert plan.start is not None
    assert plan.status.active == []


def test_what_became_of_earlier_ones():
    made = cron_job(created=NOW, active=["done", "gone", "runs"])
    jobs = (job("done", "Complete"), job("runs"), job("stranger"))
    plan = plan_cron(Observed(made, jobs, {"u-gone"}), NOW)
    assert [one.name for one in plan.status.active] == ["runs"]
    assert plan.status.last_successful_time == NOW.replace(second=1) - timedelta(minutes=5)
    assert set(reasons(plan)) == {"UnexpectedJob", "SawCompletedJob", "MissingJob"}


def test_history_limits():
    jobs = [job(f"good{age}", "Complete", age) for age in (3, 1, 2)]
    jobs += [job(f"bad{age}", "Failed", age) for age in (1, 2)]
    plan = plan_cron(Observed(cron_job(created=NOW), tuple(jobs)), NOW)
    deleted = [action.name for action in plan.actions if isinstance(action, Delete)]
    assert deleted == ["good3", "good2", "bad2"]
