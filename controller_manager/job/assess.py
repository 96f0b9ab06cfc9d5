"""What a Job's pods amount to: how many succeeded, failed, and whether that ends the Job. Pure.

A pod is *uncounted* as long as it carries the tracking finalizer: it is counted exactly once, by
noting its uid (or completion index) in the status before the finalizer goes.

Source of the rules: upstream's pkg/controller/job (syncJob).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from controller_manager import pods
from controller_manager.informers import JOB_TRACKING
from controller_manager.job import failure, indexes
from wherry.api.batch_v1 import Job, JobCondition, JobStatus, SuccessPolicyRule
from wherry.api.core_v1 import Pod

TRACKING = JOB_TRACKING

COMPLETE, FAILED, SUSPENDED = "Complete", "Failed", "Suspended"
FAILURE_TARGET, SUCCESS_CRITERIA_MET = "FailureTarget", "SuccessCriteriaMet"
FINAL = {FAILURE_TARGET: FAILED, SUCCESS_CRITERIA_MET: COMPLETE}

LIMIT_REACHED = "Job has reached the specified backoff limit"
DEADLINE_PASSED = "Job was active longer than specified deadline"
INDEXES_FAILED = "Job has failed indexes"
TOO_MANY_FAILED = "Job has exceeded the specified maximal number of failed indexes"
ENOUGH_SUCCEEDED = "Reached expected number of succeeded pods"


class Verdict(NamedTuple):
    """How the Job ends: by the interim condition FailureTarget or SuccessCriteriaMet."""

    interim: str
    reason: str
    message: str

    @property
    def is_failure(self) -> bool:
        return self.interim == FAILURE_TARGET


COMPLETED = Verdict(SUCCESS_CRITERIA_MET, "CompletionsReached", ENOUGH_SUCCEEDED)


@dataclass(frozen=True, slots=True)
class Assessment:
    """succeeded, failed: counted and uncounted together. succeeded_indexes, failed_indexes: the
    latter only with a back-off limit per index. retained: failed pods, by index, that wait for
    their replacement, which takes over their count of failures."""

    active: tuple[Pod, ...]
    terminating: int
    succeeded: int
    failed: int
    succeeded_indexes: frozenset[int]
    failed_indexes: frozenset[int] | None
    retained: dict[int, Pod]
    verdict: Verdict | None


def is_indexed(job: Job) -> bool:
    return job.spec.completion_mode == "Indexed"


def is_suspended(job: Job) -> bool:
    return bool(job.spec.suspend)


def is_tracked(pod: Pod) -> bool:
    return TRACKING in pod.metadata.finalizers


def find(status: JobStatus, type_: str) -> JobCondition | None:
    """The condition, if it is true."""
    return next((c for c in status.conditions if c.type == type_ and c.status == "True"), None)


def is_finished(job: Job) -> bool:
    return find(job.status, COMPLETE) is not None or find(job.status, FAILED) is not None


def completions_of(job: Job) -> int:
    """The number of indexes of an Indexed Job."""
    return job.spec.completions or 0


def limit_of(job: Job) -> int:
    """The server's default is 6, or no limit beside one per index."""
    if job.spec.backoff_limit is not None:
        return job.spec.backoff_limit
    return 6 if job.spec.backoff_limit_per_index is None else failure.MAX_INT32


def assess(job: Job, every: Iterable[Pod], now: datetime) -> Assessment:
    """`every`: all pods that the Job controls, ended and terminating ones among them."""
    every = tuple(every)
    active = tuple(pod for pod in every if pods.is_active(pod))
    terminating = sum(pods.is_terminating(p) and not pods.is_terminal(p) for p in every)
    noted = job.status.uncounted_terminated_pods
    noted_ok, noted_bad = (noted.succeeded, noted.failed) if noted else ([], [])
    ended_well = _fresh(job, every, noted_ok, lambda pod: pod.status.phase == "Succeeded")
    ended_badly = _fresh(job, every, noted_bad, lambda pod: failure.is_failed(pod, job))
    counting = sum(failure.match(job, pod).counts for pod in ended_badly)
    failed = job.status.failed + counting + len(noted_bad)
    succeeded = job.status.succeeded + len(ended_well) + len(noted_ok)
    good: frozenset[int] = frozenset()
    bad: frozenset[int] | None = None
    retained: dict[int, Pod] = {}
    if is_indexed(job):
        count = completions_of(job)
        good = indexes.parse(job.status.completed_indexes, count)
        good |= indexes.of_pods(ended_well, count)
        succeeded = len(good)
        if job.spec.backoff_limit_per_index is not None:
            lost = [pod for pod in every if is_tracked(pod) and failure.fails_index(job, pod)]
            bad = indexes.parse(job.status.failed_indexes or "", count)
            bad |= indexes.of_pods(lost, count)
            settled = good | bad | indexes.of_pods(active, count)
            retained = _retained(job, every, settled)
    verdict = _verdict(job, every, failed, good, bad, now)
    return Assessment(active, terminating, succeeded, failed, good, bad, retained, verdict)


def _fresh(
    job: Job, every: Iterable[Pod], noted: Iterable[str], ended: Callable[[Pod], bool]
) -> list[Pod]:
    """The pods that ended so and are not yet in the status."""
    known = set(noted)
    count = completions_of(job)
    return [
        pod
        for pod in every
        if is_tracked(pod)
        and pod.metadata.uid not in known
        and (not is_indexed(job) or indexes.index_of(pod, count) is not None)
        and ended(pod)
    ]


def _retained(job: Job, every: Iterable[Pod], settled: Iterable[int]) -> dict[int, Pod]:
    """The last failed pod of each index that has neither ended nor an active pod."""
    settled = set(settled)
    last: dict[int, Pod] = {}
    for pod in every:
        index = indexes.index_of(pod, completions_of(job))
        if index is None or index in settled:
            continue
        if is_tracked(pod) and failure.is_failed(pod, job):
            before = last.get(index)
            if before is None or _tries(before) <= _tries(pod):
                last[index] = pod
    return last


def _tries(pod: Pod) -> tuple[int, float]:
    end = failure.finished_at(pod)
    return failure.all_failures_of_index(pod), end.timestamp() if end else 0.0


# -- the end of the Job


def _verdict(
    job: Job,
    every: Iterable[Pod],
    failed: int,
    good: frozenset[int],
    bad: frozenset[int] | None,
    now: datetime,
) -> Verdict | None:
    for interim in (SUCCESS_CRITERIA_MET, FAILURE_TARGET):
        condition = find(job.status, interim)
        if condition is not None:
            return Verdict(interim, condition.reason, condition.message)
    for pod in every:
        if failure.is_failed(pod, job):
            matched = failure.match(job, pod)
            if matched.action == failure.FAIL_JOB:
                return Verdict(FAILURE_TARGET, "PodFailurePolicy", matched.message)
    if failed > limit_of(job) or _restarts_too_often(job, every):
        return Verdict(FAILURE_TARGET, "BackoffLimitExceeded", LIMIT_REACHED)
    left = until_deadline(job, now)
    if left is not None and left <= 0:
        return Verdict(FAILURE_TARGET, "DeadlineExceeded", DEADLINE_PASSED)
    if bad:
        most = job.spec.max_failed_indexes
        if most is not None and len(bad) > most:
            return Verdict(FAILURE_TARGET, "MaxFailedIndexesExceeded", TOO_MANY_FAILED)
        if len(bad) + len(good) >= completions_of(job):
            return Verdict(FAILURE_TARGET, "FailedIndexes", INDEXES_FAILED)
    return _succeeded_by_policy(job, good)


def _succeeded_by_policy(job: Job, good: frozenset[int]) -> Verdict | None:
    policy = job.spec.success_policy
    for number, rule in enumerate(policy.rules if policy and good else ()):
        if _is_met(rule, good, completions_of(job)):
            message = f"Matched rules at index {number}"
            return Verdict(SUCCESS_CRITERIA_MET, "SuccessPolicy", message)
    return None


def _is_met(rule: SuccessPolicyRule, good: frozenset[int], completions: int) -> bool:
    enough = rule.succeeded_count
    if rule.succeeded_indexes is None:
        return enough is not None and len(good) >= enough
    asked = indexes.parse(rule.succeeded_indexes, completions)
    if not asked:
        return False
    return asked <= good or (enough is not None and len(asked & good) >= enough)


def _restarts_too_often(job: Job, every: Iterable[Pod]) -> bool:
    """Containers that are restarted in place count as well."""
    if job.spec.template.spec.restart_policy != "OnFailure":
        return False
    restarts = sum(
        status.restart_count
        for pod in every
        if pod.status.phase in ("Running", "Pending")
        for status in (*pod.status.init_container_statuses, *pod.status.container_statuses)
    )
    return restarts > 0 and restarts >= limit_of(job)


def until_deadline(job: Job, now: datetime) -> float | None:
    """Seconds until activeDeadlineSeconds are over; None when nothing runs against them."""
    seconds, start = job.spec.active_deadline_seconds, job.status.start_time
    if seconds is None or start is None or is_suspended(job):
        return None
    return (start + timedelta(seconds=seconds) - now).total_seconds()
