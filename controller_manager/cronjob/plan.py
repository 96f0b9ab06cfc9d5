"""What a CronJob needs now: a Job to start, old ones to delete, its status. Pure.

A Job's name holds the minute it was due, so that no crash, lag or second leader starts it twice.

Source of the rules: upstream's pkg/controller/cronjob.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from controller_manager.cronjob.schedule import Calendar, zone_of
from controller_manager.job.assess import COMPLETE, FAILED, find, is_finished
from controller_manager.ownership import controller_reference
from controller_manager.plan import Action, Delete, Emit
from wherry.api.batch_v1 import CronJob, CronJobStatus, Job
from wherry.api.core_v1 import ObjectReference
from wherry.api.meta_v1 import ObjectMeta

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
FORBID, REPLACE = "Forbid", "Replace"
LATE_SECONDS = 0.1  # come a little after the moment, never before it

NO_MOMENTS = "time difference between two schedules is less than 1 second"
TOO_MANY = (
    "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
)
ALREADY_ACTIVE = (
    "Not starting job because prior execution is running and concurrency policy is Forbid"
)


@dataclass(frozen=True, slots=True)
class Observed:
    """jobs: those the CronJob controls. missing: uids of active ones that the server lacks."""

    cron_job: CronJob
    jobs: tuple[Job, ...]
    missing: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class CronPlan:
    """actions, then start, then status (with the started Job, see `started`)."""

    status: CronJobStatus
    actions: tuple[Action, ...] = ()
    start: Job | None = None
    scheduled: datetime | None = None
    wait: float | None = None


def plan_cron(observed: Observed, now: datetime) -> CronPlan:
    """What is due."""
    actions: list[Action] = []
    status = _seen(observed, actions)
    actions += _history(observed)
    plan = CronPlan(status, tuple(actions))
    cron_job = observed.cron_job
    if cron_job.metadata.deletion_timestamp is not None:
        return plan
    try:
        zone_of(cron_job.spec.time_zone)
    except ValueError as error:
        message = f'invalid timeZone: "{cron_job.spec.time_zone}": {error}'
        return _told(plan, cron_job, "UnknownTimeZone", message)
    if cron_job.spec.suspend:
        return plan
    try:
        calendar = Calendar(cron_job.spec.schedule, cron_job.spec.time_zone)
    except ValueError as error:
        message = f'unparseable schedule: "{cron_job.spec.schedule}" : {error}'
        return _told(plan, cron_job, "UnparseableSchedule", message)
    return _due(cron_job, plan, calendar, now)


def _told(plan: CronPlan, cron_job: CronJob, reason: str, message: str) -> CronPlan:
    return replace(plan, actions=(*plan.actions, Emit(cron_job, "Warning", reason, message)))


def _due(cron_job: CronJob, plan: CronPlan, calendar: Calendar, now: datetime) -> CronPlan:
    """Start what is due, if it may start."""
    base = plan.status.last_schedule_time or cron_job.metadata.creation_timestamp or now
    following = calendar.next_after(max(now, base), base)
    if following is None:  # such as February's 31st
        message = f"invalid schedule: {cron_job.spec.schedule} : {NO_MOMENTS}"
        return _told(plan, cron_job, "InvalidSchedule", message)
    plan = replace(plan, wait=(following - now).total_seconds() + LATE_SECONDS)
    deadline = cron_job.spec.starting_deadline_seconds
    earliest = base
    if deadline is not None:
        earliest = max(base, now - timedelta(seconds=deadline))
    moment = calendar.latest(earliest, now, base)
    if moment is None:
        missed = None if deadline is None else calendar.latest(base, now, base)
        if missed is None:
            return plan
        message = f"Missed scheduled time to start a job: {format_datetime(missed.astimezone(UTC))}"
        return _told(plan, cron_job, "MissSchedule", message)
    if calendar.missed_too_many(earliest, now, base):
        plan = _told(plan, cron_job, "TooManyMissedTimes", TOO_MANY)
    job = new_job(cron_job, moment, calendar)
    if any(active.name == job.metadata.name for active in plan.status.active):
        return plan
    policy = cron_job.spec.concurrency_policy
    if policy == FORBID and plan.status.active:
        told = Emit(cron_job, "Normal", "JobAlreadyActive", ALREADY_ACTIVE)
        return replace(plan, actions=(*plan.actions, told))
    if policy == REPLACE:
        removals = [
            action for one in plan.status.active for action in _delete(cron_job, one.name, one.uid)
        ]
        status = plan.status.with_(active=[])
        plan = replace(plan, status=status, actions=(*plan.actions, *removals))
    return replace(plan, start=job, scheduled=moment)


def new_job(cron_job: CronJob, moment: datetime, calendar: Calendar) -> Job:
    """The Job that was due at `moment`."""
    template = cron_job.spec.job_template
    wall = moment.astimezone(calendar.zone).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Job(
        metadata=ObjectMeta(
            name=f"{cron_job.metadata.name}-{int(moment.timestamp()) // 60}",
            namespace=cron_job.metadata.namespace,
            labels=template.metadata.labels,
            annotations={**template.metadata.annotations, SCHEDULED_AT: wall},
            owner_references=[controller_reference(cron_job)],
        ),
        spec=template.spec,
    )


def started(status: CronJobStatus, job: Job, scheduled: datetime) -> CronJobStatus:
    """The status with a Job that was started, by us now or by us before a crash."""
    metadata = job.metadata
    reference = ObjectReference(
        kind=Job.GVK.kind,
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        api_version=Job.GVK.api_version,
        resource_version=metadata.resource_version,
    )
    known = [one for one in status.active if one.uid != metadata.uid]
    return status.with_(active=[*known, reference], last_schedule_time=scheduled)


# -- what became of earlier ones


def unknown_jobs(cron_job: CronJob, jobs: Iterable[Job]) -> list[Job]:
    """Unfinished Jobs that the status does not tell of."""
    known = {one.uid for one in cron_job.status.active}
    return [job for job in jobs if job.metadata.uid not in known and not is_finished(job)]


def _seen(observed: Observed, actions: list[Action]) -> CronJobStatus:
    cron_job = observed.cron_job
    status = cron_job.status
    active = {one.uid: one for one in status.active}
    for job in unknown_jobs(cron_job, observed.jobs):
        name = job.metadata.name
        message = f"Saw a job that the controller did not create or forgot: {name}"
        actions.append(Emit(cron_job, "Warning", "UnexpectedJob", message))
    for job in observed.jobs:
        end = find(job.status, COMPLETE) or find(job.status, FAILED)
        if end is None:
            continue
        if active.pop(job.metadata.uid, None) is not None:
            message = f"Saw completed job: {job.metadata.name}, condition: {end.type}"
            actions.append(Emit(cron_job, "Normal", "SawCompletedJob", message))
        done = job.status.completion_time
        last = status.last_successful_time
        if end.type == COMPLETE and done is not None and (last is None or done > last):
            status = status.with_(last_successful_time=done)
    for uid in observed.missing:
        gone = active.pop(uid, None)
        if gone is not None:
            message = f"Active job went missing: {gone.name}"
            actions.append(Emit(cron_job, "Normal", "MissingJob", message))
    return status.with_(active=list(active.values()))


def _history(observed: Observed) -> list[Action]:
    """Delete the oldest finished Jobs beyond the limits."""
    spec = observed.cron_job.spec
    actions: list[Action] = []
    for type_, limit in (
        (COMPLETE, spec.successful_jobs_history_limit),
        (FAILED, spec.failed_jobs_history_limit),
    ):
        if limit is None:
            continue
        ended = [job for job in observed.jobs if find(job.status, type_) is not None]
        ended = [job for job in ended if job.metadata.deletion_timestamp is None]
        for job in sorted(ended, key=_start)[: max(0, len(ended) - limit)]:
            actions += _delete(observed.cron_job, job.metadata.name, job.metadata.uid)
    return actions


def _start(job: Job) -> tuple[float, str]:
    start = job.status.start_time
    return start.timestamp() if start else float("inf"), job.metadata.name


def _delete(cron_job: CronJob, name: str, uid: str) -> list[Action]:
    namespace = cron_job.metadata.namespace
    return [
        Delete(Job, namespace, name, uid, propagation_policy="Background"),
        Emit(cron_job, "Normal", "SuccessfulDelete", f"Deleted job {name}"),
    ]
