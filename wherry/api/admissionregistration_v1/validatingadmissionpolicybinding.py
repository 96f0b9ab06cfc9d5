"""ValidatingAdmissionPolicyBindings."""

from __future__ import annotations

from wherry.api.admissionregistration_v1.common import MatchResources, ParamRef
from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Model, TypedModel, wire


class ValidatingAdmissionPolicyBindingSpec(Model):
    policy_name: str = wire("", required=True)
    param_ref: ParamRef | None = None
    match_resources: MatchResources | None = None
    validation_actions: list[str] = wire([], required=True, list_type="set")


class ValidatingAdmissionPolicyBinding(TypedModel):
    GVK = GroupVersionKind("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicyBinding")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: ValidatingAdmissionPolicyBindingSpec = wire(
        struct=ValidatingAdmissionPolicyBindingSpec, required=True
    )
