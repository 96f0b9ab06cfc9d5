"""MutatingAdmissionPolicyBindings."""

from __future__ import annotations

from wherry.api.admissionregistration_v1.common import MatchResources, ParamRef
from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Model, TypedModel, wire


class MutatingAdmissionPolicyBindingSpec(Model):
    policy_name: str = ""
    param_ref: ParamRef | None = None
    match_resources: MatchResources | None = None


class MutatingAdmissionPolicyBinding(TypedModel):
    GVK = GroupVersionKind("admissionregistration.k8s.io", "v1", "MutatingAdmissionPolicyBinding")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: MutatingAdmissionPolicyBindingSpec = wire(struct=MutatingAdmissionPolicyBindingSpec)
