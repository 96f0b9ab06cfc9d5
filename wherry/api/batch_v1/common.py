"""What several kinds of this group share."""

from __future__ import annotations

from wherry.api.core_v1.pod import PodTemplateSpec
from wherry.api.meta_v1.meta import LabelSelector
from wherry.api.model import Int32, Int64, Model, wire


class PodFailurePolicyOnExitCodesRequirement(Model):
    container_name: str | None = None
    operator: str = wire("", required=True, zero="kept", enum=("In", "NotIn"))
    values: list[Int32] = wire([], required=True, zero="kept", list_type="set")


class PodFailurePolicyOnPodConditionsPattern(Model):
    type: str = wire("", required=True, zero="kept")
    status: str = wire("", zero="kept")


class PodFailurePolicyRule(Model):
    action: str = wire(
        "", required=True, zero="kept", enum=("Count", "FailIndex", "FailJob", "Ignore")
    )
    on_exit_codes: PodFailurePolicyOnExitCodesRequirement | None = None
    on_pod_conditions: list[PodFailurePolicyOnPodConditionsPattern] = wire([], list_type="atomic")


class PodFailurePolicy(Model):
    rules: list[PodFailurePolicyRule] = wire([], required=True, zero="kept", list_type="atomic")


class SuccessPolicyRule(Model):
    succeeded_indexes: str | None = None
    succeeded_count: Int32 | None = None


class SuccessPolicy(Model):
    rules: list[SuccessPolicyRule] = wire([], required=True, zero="kept", list_type="atomic")


class JobSpec(Model):
    parallelism: Int32 | None = None
    completions: Int32 | None = None
    active_deadline_seconds: Int64 | None = None
    selector: LabelSelector | None = None
    manual_selector: bool | None = None
    template: PodTemplateSpec = wire(struct=PodTemplateSpec, required=True, zero="kept")
    backoff_limit: Int32 | None = None
    ttl_seconds_after_finished: Int32 | None = None
    completion_mode: str | None = wire(None, enum=("Indexed", "NonIndexed"))
    suspend: bool | None = None
    pod_failure_policy: PodFailurePolicy | None = None
    backoff_limit_per_index: Int32 | None = None
    max_failed_indexes: Int32 | None = None
    pod_replacement_policy: str | None = wire(None, enum=("Failed", "TerminatingOrFailed"))
    managed_by: str | None = None
    success_policy: SuccessPolicy | None = None
