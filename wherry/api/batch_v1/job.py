"""Jobs."""

from __future__ import annotations

from wherry.api.batch_v1.common import JobSpec
from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, Model, Time, TypedModel, wire


class JobCondition(Model):
    type: str = wire("", required=True, zero="kept")
    status: str = wire("", required=True, zero="kept")
    last_probe_time: Time | None = wire(None, zero="kept")
    last_transition_time: Time | None = wire(None, zero="kept")
    reason: str = ""
    message: str = ""


class UncountedTerminatedPods(Model):
    succeeded: list[str] = wire([], list_type="set")
    failed: list[str] = wire([], list_type="set")


class JobStatus(Model):
    conditions: list[JobCondition] = wire([], list_type="atomic", merge_key="type")
    start_time: Time | None = None
    completion_time: Time | None = None
    active: Int32 = 0
    succeeded: Int32 = 0
    failed: Int32 = 0
    completed_indexes: str = ""
    uncounted_terminated_pods: UncountedTerminatedPods | None = None
    ready: Int32 | None = None
    failed_indexes: str | None = None
    terminating: Int32 | None = None


class Job(TypedModel):
    GVK = GroupVersionKind("batch", "v1", "Job")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: JobSpec = wire(struct=JobSpec)
    status: JobStatus = wire(struct=JobStatus)
