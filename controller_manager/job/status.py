"""A Job's status after its pods were looked after, and which pods may now lose their finalizer. Pure.

Each ended pod is noted in the status first and released second; what is noted and has no finalizer
any more is counted. So a pod is counted once, whoever dies in between.

Source of the rules: upstream's pkg/controller/job (trackJobStatusAndRemoveFinalizers).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from controller_manager import pods
from controller_manager.job import failure, indexes
from controller_manager.job.assess import (
    COMPLETE,
    COMPLETED,
    FINAL,
    SUSPENDED,
    Assessment,
    Verdict,
    completions_of,
    find,
    is_indexed,
    is_suspended,
    is_tracked,
    until_deadline,
)
from controller_manager.job.plan import Observed, PodsPlan
from controller_manager.plan import Emit
from wherry.api.batch_v1 import Job, JobCondition, JobStatus, UncountedTerminatedPods
from wherry.api.core_v1 import Pod

UNCOUNTED_MAX = 500  # uids in the status at once


class Acted(NamedTuple):
    """How a PodsPlan went: pods made, pods deleted, and whether all of them."""

    made: int = 0
    deleted: int = 0
    whole: bool = True


@dataclass(frozen=True, slots=True)
class StatusPlan:
    """release: pods to take the finalizer off, once `status` is written. events: to tell then."""

    status: JobStatus
    release: tuple[Pod, ...]
    events: tuple[Emit, ...]
    requeue_after: float | None


def plan_status(
    observed: Observed, seen: Assessment, plan: PodsPlan, acted: Acted, now: datetime
) -> StatusPlan:
    """The status to write (maybe equal to the present one) and what follows from it."""
    job = observed.job
    active = len(seen.active) + acted.made - acted.deleted
    verdict = seen.verdict
    if verdict is None and _is_complete(job, seen, active):
        verdict = COMPLETED
    if not (acted.whole and observed.fulfilled):
        verdict = None  # pods may exist that are not seen: too early for an end
    deleted = {pod.metadata.uid for pod in plan.delete} if acted.deleted else set()
    ready = sum(pods.is_ready(p) for p in seen.active if p.metadata.uid not in deleted)
    status = _started(job, job.status, now).with_(
        active=active, ready=ready, terminating=seen.terminating + acted.deleted
    )
    events: list[Emit] = []
    if plan.managed and verdict is None:
        status = _suspension(job, status, events, now)
    status = _counted(status, observed.pods)
    gone = deleted if plan.uncounted else set()
    present = [pod for pod in observed.pods if pod.metadata.uid not in gone]
    status, release = _noted(job, status, seen, verdict, present)
    if verdict is not None:
        if find(job.status, verdict.interim) is not None and not release:
            status = _ended(job, status, verdict, events, now)
        elif find(status, verdict.interim) is None:
            condition = _condition(verdict.interim, "True", verdict.reason, verdict.message, now)
            status = status.with_(conditions=[*status.conditions, condition])
    wait = None if verdict is not None else _next_look(job.with_(status=status), plan.wait, now)
    return StatusPlan(status, tuple(release), tuple(events), wait)


def _is_complete(job: Job, seen: Assessment, active: int) -> bool:
    """Have enough pods succeeded, with none left that runs?"""
    if active:
        return False
    if job.spec.completions is None:
        return seen.succeeded > 0
    return seen.succeeded >= job.spec.completions


def _next_look(job: Job, wait: float | None, now: datetime) -> float | None:
    """The earlier of the back-off's end and the deadline."""
    moments = [seconds for seconds in (wait, until_deadline(job, now)) if seconds is not None]
    return max(0.0, min(moments)) if moments else None


# -- counting


def _counted(status: JobStatus, every: Iterable[Pod]) -> JobStatus:
    """What was noted and is released goes from the list of uids to the number."""
    noted = status.uncounted_terminated_pods or UncountedTerminatedPods()
    held = {pod.metadata.uid for pod in every if is_tracked(pod)}
    succeeded = [uid for uid in noted.succeeded if uid in held]
    failed = [uid for uid in noted.failed if uid in held]
    return status.with_(
        succeeded=status.succeeded + len(noted.succeeded) - len(succeeded),
        failed=status.failed + len(noted.failed) - len(failed),
        uncounted_terminated_pods=UncountedTerminatedPods(succeeded=succeeded, failed=failed),
    )


def _noted(
    job: Job,
    status: JobStatus,
    seen: Assessment,
    verdict: Verdict | None,
    every: Iterable[Pod],
) -> tuple[JobStatus, list[Pod]]:
    """Note the pods that ended, up to a number; these may be released once that is written."""
    noted = status.uncounted_terminated_pods or UncountedTerminatedPods()
    succeeded, failed = list(noted.succeeded), list(noted.failed)
    count = completions_of(job)
    good = set(indexes.parse(status.completed_indexes, count))
    fresh = 0  # indexes noted in this pass
    release: list[Pod] = []
    for pod in every:
        if not is_tracked(pod) or not _may_go(job, pod, seen, verdict):
            continue
        if fresh + len(succeeded) + len(failed) >= UNCOUNTED_MAX:
            break  # the rest in later passes
        release.append(pod)
        uid, index = pod.metadata.uid, indexes.index_of(pod, count)
        if uid in failed or uid in succeeded or (is_indexed(job) and index is None):
            continue
        if pod.status.phase == "Succeeded":
            if index is None or not is_indexed(job):
                succeeded.append(uid)
            elif index not in good:
                good.add(index)
                fresh += 1
        elif _is_lost(job, pod, verdict) and failure.match(job, pod).counts:
            failed.append(uid)
    status = status.with_(
        uncounted_terminated_pods=UncountedTerminatedPods(succeeded=succeeded, failed=failed)
    )
    if not is_indexed(job):
        return status, release
    bad = None if seen.failed_indexes is None else indexes.render(seen.failed_indexes)
    return status.with_(
        succeeded=len(good), completed_indexes=indexes.render(good), failed_indexes=bad
    ), release


def _is_lost(job: Job, pod: Pod, verdict: Verdict | None) -> bool:
    """Did the pod fail? Once the Job has, all its pods have."""
    return failure.is_failed(pod, job) or (verdict is not None and verdict.is_failure)


def _may_go(job: Job, pod: Pod, seen: Assessment, verdict: Verdict | None) -> bool:
    """May the pod be counted and released?"""
    if job.metadata.deletion_timestamp is not None or verdict is not None:
        return True
    if pod.status.phase == "Succeeded":
        return True
    if not failure.is_failed(pod, job):
        return False
    index = indexes.index_of(pod, completions_of(job))
    retained = None if index is None else seen.retained.get(index)
    return retained is None or retained.metadata.uid != pod.metadata.uid


# -- conditions


def _condition(
    type_: str, status: str, reason: str, message: str, now: datetime
) -> JobCondition:  # fmt: skip
    return JobCondition(
        type=type_,
        status=status,
        last_probe_time=now,
        last_transition_time=now,
        reason=reason,
        message=message,
    )


def _started(job: Job, status: JobStatus, now: datetime) -> JobStatus:
    if status.start_time is not None or is_suspended(job):
        return status
    return status.with_(start_time=now)


def _suspension(job: Job, status: JobStatus, events: list[Emit], now: datetime) -> JobStatus:
    """Suspended is true while the Job is, false when it was resumed, absent when it never was."""
    current = next((c for c in status.conditions if c.type == SUSPENDED), None)
    wanted = "True" if is_suspended(job) else "False"
    if (current.status if current else "False") == wanted:
        return status
    word = "Suspended" if is_suspended(job) else "Resumed"
    message = f"Job {word.lower()}"
    made = _condition(SUSPENDED, wanted, f"Job{word}", message, now)
    others = [made if c.type == SUSPENDED else c for c in status.conditions]
    events.append(Emit(job, "Normal", word, message))
    status = status.with_(conditions=others if current else [*others, made])
    # The active deadline runs anew from every resumption.
    return status if is_suspended(job) else status.with_(start_time=now)


def _ended(
    job: Job, status: JobStatus, verdict: Verdict, events: list[Emit], now: datetime
) -> JobStatus:
    """With Complete or Failed, when all pods (released by now) are counted and none is left."""
    noted = status.uncounted_terminated_pods
    if noted is not None and (noted.succeeded or noted.failed):
        return status
    if status.terminating or status.active:
        return status
    final = FINAL[verdict.interim]
    condition = _condition(final, "True", verdict.reason, verdict.message, now)
    status = status.with_(conditions=[*status.conditions, condition])
    if final != COMPLETE:
        events.append(Emit(job, "Warning", verdict.reason, verdict.message))
        return status
    if job.spec.completions is not None and status.succeeded > job.spec.completions:
        message = "Too many succeeded pods running after completion count reached"
        events.append(Emit(job, "Warning", "TooManySucceededPods", message))
    events.append(Emit(job, "Normal", "Completed", "Job completed"))
    return status.with_(completion_time=now)
