"""Object metadata and what travels in it."""

from __future__ import annotations

from wherry.api.model import Int64, Model, RawObject, Time, wire


class OwnerReference(Model):
    ATOMIC = True

    api_version: str = wire("", required=True, zero="kept", number="5")
    kind: str = wire("", required=True, zero="kept", number="1")
    name: str = wire("", required=True, zero="kept", number="3")
    uid: str = wire("", required=True, zero="kept")
    controller: bool | None = wire(None, number="6")
    block_owner_deletion: bool | None = None


class ManagedFieldsEntry(Model):
    manager: str = ""
    operation: str = ""
    api_version: str = ""
    time: Time | None = None
    fields_type: str = wire("", number="6")
    fields_v1: RawObject | None = None
    subresource: str = ""


class ObjectMeta(Model):
    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    self_link: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: Int64 = 0
    creation_timestamp: Time | None = wire(None, zero="omitzero")
    deletion_timestamp: Time | None = None
    deletion_grace_period_seconds: Int64 | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[OwnerReference] = wire(
        [],
        list_type="map",
        keys=("uid",),
        merge_key="uid",
    )
    finalizers: list[str] = wire(
        [],
        list_type="set",
        merge_key="",
    )
    managed_fields: list[ManagedFieldsEntry] = wire([], list_type="atomic", number="17")


class ListMeta(Model):
    self_link: str = ""
    resource_version: str = ""
    continue_: str = ""
    remaining_item_count: Int64 | None = None


class Condition(Model):
    type: str = wire("", required=True, zero="kept")
    status: str = wire("", required=True, zero="kept")
    observed_generation: Int64 = 0
    last_transition_time: Time | None = wire(None, required=True, zero="kept")
    reason: str = wire("", required=True, zero="kept")
    message: str = wire("", required=True, zero="kept")


class LabelSelectorRequirement(Model):
    key: str = wire("", required=True, zero="kept")
    operator: str = wire("", required=True, zero="kept")
    values: list[str] = wire([], list_type="atomic")


class LabelSelector(Model):
    ATOMIC = True

    match_labels: dict[str, str] = {}
    match_expressions: list[LabelSelectorRequirement] = wire([], list_type="atomic")


class FieldSelectorRequirement(Model):
    key: str = wire("", required=True, zero="kept")
    operator: str = wire("", required=True, zero="kept")
    values: list[str] = wire([], list_type="atomic")
