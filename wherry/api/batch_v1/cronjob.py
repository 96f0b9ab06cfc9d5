"""CronJobs."""

from __future__ import annotations

from wherry.api.batch_v1.common import JobSpec
from wherry.api.core_v1.reference import ObjectReference
from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, Int64, Model, Time, TypedModel, wire


class JobTemplateSpec(Model):
    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: JobSpec = wire(struct=JobSpec)


class CronJobSpec(Model):
    schedule: str = wire("", required=True, zero="kept")
    starting_deadline_seconds: Int64 | None = None
    concurrency_policy: str = wire("", enum=("Allow", "Forbid", "Replace"))
    suspend: bool | None = None
    job_template: JobTemplateSpec = wire(struct=JobTemplateSpec, required=True, zero="kept")
    successful_jobs_history_limit: Int32 | None = None
    failed_jobs_history_limit: Int32 | None = None
    time_zone: str | None = None


class CronJobStatus(Model):
    active: list[ObjectReference] = wire([], list_type="atomic")
    last_schedule_time: Time | None = wire(None, number="4")
    last_successful_time: Time | None = None


class CronJob(TypedModel):
    GVK = GroupVersionKind("batch", "v1", "CronJob")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: CronJobSpec = wire(struct=CronJobSpec, required=True)
    status: CronJobStatus = wire(struct=CronJobStatus)
