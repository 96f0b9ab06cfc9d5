"""PriorityLevelConfigurations."""

from __future__ import annotations

from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, Model, Time, TypedModel, wire


class ExemptPriorityLevelConfiguration(Model):
    nominal_concurrency_shares: Int32 | None = None
    lendable_percent: Int32 | None = None


class QueuingConfiguration(Model):
    queues: Int32 = wire(0, zero="kept")
    hand_size: Int32 = wire(0, zero="kept")
    queue_length_limit: Int32 = wire(0, zero="kept")


class LimitResponse(Model):
    type: str = wire("", required=True, zero="kept")
    queuing: QueuingConfiguration | None = None


class LimitedPriorityLevelConfiguration(Model):
    nominal_concurrency_shares: Int32 | None = wire(None, zero="kept")
    limit_response: LimitResponse = wire(struct=LimitResponse)
    lendable_percent: Int32 | None = None
    borrowing_limit_percent: Int32 | None = None


class PriorityLevelConfigurationSpec(Model):
    type: str = wire("", required=True, zero="kept")
    limited: LimitedPriorityLevelConfiguration | None = None
    exempt: ExemptPriorityLevelConfiguration | None = None


class PriorityLevelConfigurationCondition(Model):
    type: str = ""
    status: str = ""
    last_transition_time: Time | None = wire(None, zero="kept")
    reason: str = ""
    message: str = ""


class PriorityLevelConfigurationStatus(Model):
    conditions: list[PriorityLevelConfigurationCondition] = wire(
        [], list_type="map", keys=("type",), merge_key="type"
    )


class PriorityLevelConfiguration(TypedModel):
    GVK = GroupVersionKind("flowcontrol.apiserver.k8s.io", "v1", "PriorityLevelConfiguration")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    spec: PriorityLevelConfigurationSpec = wire(struct=PriorityLevelConfigurationSpec)
    status: PriorityLevelConfigurationStatus = wire(struct=PriorityLevelConfigurationStatus)
