"""When a finished Job goes. Pure.

Source of the rules: upstream's pkg/controller/ttlafterfinished.
"""

from __future__ import annotations

from datetime import datetime

from controller_manager.job.assess import COMPLETE, FAILED, find
from controller_manager.plan import NOTHING, Delete, Plan
from wherry.api.batch_v1 import Job


def finished_at(job: Job) -> datetime | None:
    """When the Job ended; None when it has not."""
    condition = find(job.status, COMPLETE) or find(job.status, FAILED)
    return condition.last_transition_time if condition is not None else None


def overdue(job: Job, now: datetime) -> float:
    """Seconds since a Job that ended and says when had to go; negative before that."""
    end = finished_at(job) or now
    return (now - end).total_seconds() - (job.spec.ttl_seconds_after_finished or 0)


def plan_expiry(job: Job, now: datetime) -> Plan:
    """Delete the Job with its pods, or come back when it is time."""
    seconds, end = job.spec.ttl_seconds_after_finished, finished_at(job)
    if seconds is None or end is None or job.metadata.deletion_timestamp is not None:
        return NOTHING
    late = overdue(job, now)
    if late < 0:
        return Plan(requeue_after=-late)
    metadata = job.metadata
    return Plan(
        (
            Delete(
                Job,
                metadata.namespace,
                metadata.name,
                metadata.uid,
                propagation_policy="Foreground",
            ),
        )
    )
