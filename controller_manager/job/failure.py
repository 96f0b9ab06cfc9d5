"""When a Job's pod has failed, what the failure policy says to it, and how long to wait. Pure.

How often pods failed in a row is read off the pods that are there, not remembered: a new leader
waits as long as the old one would have.

Source: upstream's pkg/controller/job (pod_failure_policy, backoff_utils).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from controller_manager import pods
from wherry.api.batch_v1 import (
    Job,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyRule,
)
from wherry.api.core_v1 import ContainerStatus, Pod

COUNT, FAIL_INDEX, FAIL_JOB, IGNORE = "Count", "FailIndex", "FailJob", "Ignore"
INDEX_FAILURES = "batch.kubernetes.io/job-index-failure-count"
INDEX_IGNORED_FAILURES = "batch.kubernetes.io/job-index-ignored-failure-count"

BACKOFF_SECONDS = 10.0
BACKOFF_SECONDS_MAX = 600.0
MAX_INT32 = 2**31 - 1


class Match(NamedTuple):
    """The policy's action for a failed pod ("" when no rule speaks of it), and FailJob's words."""

    action: str
    message: str = ""

    @property
    def counts(self) -> bool:
        """Towards the back-off limit."""
        return self.action != IGNORE


def replaces_failed_only(job: Job) -> bool:
    """Is a terminating pod replaced only when it has ended?"""
    return job.spec.pod_replacement_policy == "Failed" or job.spec.pod_failure_policy is not None


def is_failed(pod: Pod, job: Job) -> bool:
    """A deleted pod counts too, for it may never reach the phase, unless its end is waited for.

    Once the Job has succeeded, it is the Job that deletes what still runs: no failure.
    """
    if pod.status.phase == "Failed":
        return True
    if replaces_failed_only(job) or _has_succeeded(job):
        return False
    return pods.is_terminating(pod) and pod.status.phase != "Succeeded"


def _has_succeeded(job: Job) -> bool:
    return any(c.type == "SuccessCriteriaMet" and c.status == "True" for c in job.status.conditions)


def match(job: Job, pod: Pod) -> Match:
    """What the failure policy says to a failed pod: the first rule that matches."""
    policy = job.spec.pod_failure_policy
    for number, rule in enumerate(policy.rules if policy else ()):
        what = _matched(rule, pod)
        if what:
            return Match(rule.action, f"{what} matching {rule.action} rule at index {number}")
    return Match("")


def _matched(rule: PodFailurePolicyRule, pod: Pod) -> str:
    """What about the pod the rule matches, in words; empty when it does not."""
    metadata = pod.metadata
    where = f"{metadata.namespace}/{metadata.name}"
    if rule.on_exit_codes is not None:
        for status in (*pod.status.container_statuses, *pod.status.init_container_statuses):
            code = _exit_code(status)
            if code and _matches_code(rule.on_exit_codes, status.name, code):
                return f"Container {status.name} for pod {where} failed with exit code {code}"
        return ""
    wanted = {(pattern.type, pattern.status or "True") for pattern in rule.on_pod_conditions}
    for condition in pod.status.conditions:
        if (condition.type, condition.status) in wanted:
            return f"Pod {where} has condition {condition.type}"
    return ""


def _exit_code(status: ContainerStatus) -> int:
    ended = status.state.terminated
    return ended.exit_code if ended is not None else 0


def _matches_code(rule: PodFailurePolicyOnExitCodesRequirement, container: str, code: int) -> bool:
    if rule.container_name is not None and rule.container_name != container:
        return False
    return (code in rule.values) == (rule.operator == "In")


# -- failures of one index


def failures_of_index(pod: Pod) -> int:
    """How often the pod's index had failed when it was made."""
    return _number(pod.metadata.annotations.get(INDEX_FAILURES, ""))


def ignored_failures_of_index(pod: Pod) -> int:
    return _number(pod.metadata.annotations.get(INDEX_IGNORED_FAILURES, ""))


def _number(text: str) -> int:
    value = int(text) if text.isascii() and text.isdigit() else 0
    return value if value <= MAX_INT32 else 0


def all_failures_of_index(pod: Pod) -> int:
    return failures_of_index(pod) + ignored_failures_of_index(pod)


def fails_index(job: Job, pod: Pod) -> bool:
    """Is the pod's index lost by this pod's failure?"""
    if not is_failed(pod, job):
        return False
    matched = match(job, pod)
    if matched.action == FAIL_INDEX:
        return True
    return matched.counts and failures_of_index(pod) >= (job.spec.backoff_limit_per_index or 0)


# -- how long to wait


def finished_at(pod: Pod) -> datetime | None:
    """When the pod ended: by its containers, else by its readiness, its deletion, its creation."""
    sidecars = {c.name for c in pod.spec.init_containers if c.restart_policy == "Always"}
    statuses = [
        *pod.status.container_statuses,
        *(s for s in pod.status.init_container_statuses if s.name in sidecars),
    ]
    ends = [s.state.terminated.finished_at if s.state.terminated else None for s in statuses]
    known = [end for end in ends if end is not None]
    if known and len(known) == len(ends):
        return max(known)
    ready = pods.condition(pod, "Ready")
    if ready is not None and ready.status == "False" and ready.last_transition_time is not None:
        return ready.last_transition_time
    if pod.metadata.deletion_timestamp is not None:
        grace = timedelta(seconds=pod.metadata.deletion_grace_period_seconds or 0)
        return pod.metadata.deletion_timestamp - grace
    return pod.metadata.creation_timestamp


def wait_of(count: int, last: datetime | None, now: datetime) -> float:
    """Seconds to wait after `count` failures in a row, of which the last was at `last`.

    An end that lies far ahead is a clock's that was set back, and is not waited for.
    """
    if count == 0 or last is None:
        return 0.0
    exponent = min(count - 1, 16)  # far beyond the maximum already
    wait = min(BACKOFF_SECONDS * (1 << exponent), BACKOFF_SECONDS_MAX)
    return max(0.0, wait - abs((now - last).total_seconds()))


def _is_disrupted(pod: Pod) -> bool:
    found = pods.condition(pod, "DisruptionTarget")
    return found is not None and found.status == "True"


def wait_after_failures(every: Iterable[Pod], now: datetime) -> float:
    """Seconds until another pod may be made: failures since the last success count.

    A pod that was taken away (deleted, evicted, on a dead node) is replaced at once.
    """
    successes: list[datetime] = []
    failures: list[datetime] = []
    for pod in every:
        end = finished_at(pod) if pods.is_terminal(pod) and not _is_disrupted(pod) else None
        if end is not None:
            (successes if pod.status.phase == "Succeeded" else failures).append(end)
    since = max(successes, default=None)
    recent = [end for end in failures if since is None or end > since]
    return wait_of(len(recent), max(recent, default=None), now)


def wait_of_index(before: Pod | None, now: datetime) -> float:
    """Seconds until the index of the failed pod `before` may be tried again."""
    if before is None:
        return 0.0
    return wait_of(all_failures_of_index(before) + 1, finished_at(before), now)
