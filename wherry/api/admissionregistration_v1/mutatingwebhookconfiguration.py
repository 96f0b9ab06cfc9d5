"""MutatingWebhookConfigurations."""

from __future__ import annotations

from wherry.api.admissionregistration_v1.common import (
    MatchCondition,
    RuleWithOperations,
    WebhookClientConfig,
)
from wherry.api.meta_v1.meta import LabelSelector, ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, Model, TypedModel, wire


class MutatingWebhook(Model):
    name: str = wire("", required=True, zero="kept")
    client_config: WebhookClientConfig = wire(
        struct=WebhookClientConfig, required=True, zero="kept"
    )
    rules: list[RuleWithOperations] = wire([], list_type="atomic")
    failure_policy: str | None = wire(None, enum=("Fail", "Ignore"))
    namespace_selector: LabelSelector | None = None
    side_effects: str | None = wire(
        None, required=True, zero="kept", enum=("None", "NoneOnDryRun", "Some", "Unknown")
    )
    timeout_seconds: Int32 | None = None
    admission_review_versions: list[str] = wire([], required=True, zero="kept", list_type="atomic")
    match_policy: str | None = wire(None, enum=("Equivalent", "Exact"))
    reinvocation_policy: str | None = wire(None, enum=("IfNeeded", "Never"))
    object_selector: LabelSelector | None = None
    match_conditions: list[MatchCondition] = wire(
        [], list_type="map", keys=("name",), merge_key="name"
    )


class MutatingWebhookConfiguration(TypedModel):
    GVK = GroupVersionKind("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    webhooks: list[MutatingWebhook] = wire([], list_type="map", keys=("name",), merge_key="name")
