"""FlowSchemas."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, Model, Time, TypedModel, wire


class FlowDistinguisherMethod(Model):
    type: str = wire("", required=True, zero="kept")


class PriorityLevelConfigurationReference(Model):
    name: str = wire("", required=True, zero="kept")


class NonResourcePolicyRule(Model):
    verbs: list[str] = wire([], required=True, zero="kept", list_type="set")
    non_resource_urls: list[str] = wire([], required=True, zero="kept", list_type="set", number="6")


class ResourcePolicyRule(Model):
    verbs: list[str] = wire([], required=True, zero="kept", list_type="set")
    api_groups: list[str] = wire([], required=True, zero="kept", list_type="set")
    resources: list[str] = wire([], required=True, zero="kept", list_type="set")
    cluster_scope: bool = False
    namespaces: list[str] = wire([], zero="kept", list_type="set")


class GroupSubject(Model):
    name: str = wire("", required=True, zero="kept")


class ServiceAccountSubject(Model):
    namespace: str = wire("", required=True, zero="kept")
    name: str = wire("", required=True, zero="kept")


class UserSubject(Model):
    name: str = wire("", required=True, zero="kept")


class Subject(Model):
    ATOMIC = True

    kind: str = wire("", required=True, zero="kept")
    user: UserSubject | None = None
    group: GroupSubject | None = None
    service_account: ServiceAccountSubject | None = None


class PolicyRulesWithSubjects(Model):
    subjects: list[Subject] = wire([], required=True, zero="kept", list_type="atomic")
    resource_rules: list[ResourcePolicyRule] = wire([], list_type="atomic")
    non_resource_rules: list[NonResourcePolicyRule] = wire([], list_type="atomic")


class FlowSchemaSpec(Model):
    priority_level_configuration: PriorityLevelConfigurationReference = wire(
        struct=PriorityLevelConfigurationReference, required=True, zero="kept"
    )
    matching_precedence: Int32 = wire(0, zero="kept")
    distinguisher_method: FlowDistinguisherMethod | None = None
    rules: list[PolicyRulesWithSubjects] = wire([], list_type="atomic")


class FlowSchemaCondition(Model):
    type: str = ""
    status: str = ""
    last_transition_time: Time | None = wire(None, zero="kept")
    reason: str = ""
    message: str = ""


class FlowSchemaStatus(Model):
    conditions: list[FlowSchemaCondition] = wire(
        [], list_type="map", keys=("type",), merge_key="type"
    )


class FlowSchema(TypedModel):
    GVK = GroupVersionKind("flowcontrol.apiserver.k8s.io", "v1", "FlowSchema")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: FlowSchemaSpec = wire(struct=FlowSchemaSpec)
    status: FlowSchemaStatus = wire(struct=FlowSchemaStatus)
