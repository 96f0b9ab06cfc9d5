"""MutatingAdmissionPolicys."""

from __future__ import annotations

from wherry.api.admissionregistration_v1.common import (
    MatchCondition,
    MatchResources,
    ParamKind,
    Variable,
)
from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Model, TypedModel, wire


class ApplyConfiguration(Model):
    expression: str = ""


class JSONPatch(Model):
    expression: str = ""


class Mutation(Model):
    patch_type: str = wire(
        "", required=True, zero="kept", enum=("ApplyConfiguration", "JSONPatch"), number="2"
    )
    apply_configuration: ApplyConfiguration | None = None
    json_patch: JSONPatch | None = None


class MutatingAdmissionPolicySpec(Model):
    param_kind: ParamKind | None = None
    match_constraints: MatchResources | None = None
    variables: list[Variable] = wire([], list_type="atomic")
    mutations: list[Mutation] = wire([], list_type="atomic")
    failure_policy: str | None = wire(None, enum=("Fail", "Ignore"))
    match_conditions: list[MatchCondition] = wire(
        [], list_type="map", keys=("name",), merge_key="name"
    )
    reinvocation_policy: str = wire("", enum=("IfNeeded", "Never"))


class MutatingAdmissionPolicy(TypedModel):
    GVK = GroupVersionKind("admissionregistration.k8s.io", "v1", "MutatingAdmissionPolicy")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: MutatingAdmissionPolicySpec = wire(struct=MutatingAdmissionPolicySpec)
