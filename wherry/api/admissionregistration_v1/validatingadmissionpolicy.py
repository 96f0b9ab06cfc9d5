"""ValidatingAdmissionPolicys."""

from __future__ import annotations

from wherry.api.admissionregistration_v1.common import (
    MatchCondition,
    MatchResources,
    ParamKind,
    Variable,
)
from wherry.api.meta_v1.meta import Condition, ObjectMeta
from wherry.api.model import GroupVersionKind, Int64, Model, TypedModel, wire


class AuditAnnotation(Model):
    key: str = wire("", required=True, zero="kept")
    value_expression: str = wire("", required=True, zero="kept")


class Validation(Model):
    message: str = wire("", number="2")
    reason: str | None = None
    message_expression: str = ""
    expression: str = wire("", required=True, zero="kept", number="1")


class ValidatingAdmissionPolicySpec(Model):
    param_kind: ParamKind | None = None
    match_constraints: MatchResources | None = None
    validations: list[Validation] = wire([], list_type="atomic")
    failure_policy: str | None = wire(None, enum=("Fail", "Ignore"))
    audit_annotations: list[AuditAnnotation] = wire([], list_type="atomic")
    match_conditions: list[MatchCondition] = wire(
        [], list_type="map", keys=("name",), merge_key="name"
    )
    variables: list[Variable] = wire([], list_type="map", keys=("name",), merge_key="name")


class ExpressionWarning(Model):
    field_ref: str = wire("", required=True, zero="kept", number="2")
    warning: str = wire("", required=True, zero="kept")


class TypeChecking(Model):
    expression_warnings: list[ExpressionWarning] = wire([], list_type="atomic")


class ValidatingAdmissionPolicyStatus(Model):
    observed_generation: Int64 = 0
    type_checking: TypeChecking | None = None
    conditions: list[Condition] = wire([], list_type="map", keys=("type",))


class ValidatingAdmissionPolicy(TypedModel):
    GVK = GroupVersionKind("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: ValidatingAdmissionPolicySpec = wire(struct=ValidatingAdmissionPolicySpec)
    status: ValidatingAdmissionPolicyStatus = wire(struct=ValidatingAdmissionPolicyStatus)
