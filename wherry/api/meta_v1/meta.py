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
    generate_name: str = wire(
        "", doc="Prefix of a name that the server completes when none is given."
    )
    namespace: str = ""
    self_link: str = wire("", doc="No longer filled in.")
    uid: str = wire("", doc="Identifies the object among all that ever had its name.")
    resource_version: str = wire(
        "", doc="Opaque version of the stored object; changes with every write."
    )
    generation: Int64 = wire(0, doc="Counts changes of the wanted state.")
    creation_timestamp: Time | None = wire(None, zero="omitzero")
    deletion_timestamp: Time | None = wire(
        None, doc="Set by the server once deletion was asked for."
    )
    deletion_grace_period_seconds: Int64 | None = wire(
        None, doc="Time that deletion leaves for an orderly end."
    )
    labels: dict[str, str] = wire({}, doc="Short keys and values that selectors look at.")
    annotations: dict[str, str] = wire({}, doc="Free keys and values that selectors ignore.")
    owner_references: list[OwnerReference] = wire(
        [],
        list_type="map",
        keys=("uid",),
        merge_key="uid",
        doc="Objects without which this one is garbage.",
    )
    finalizers: list[str] = wire(
        [],
        list_type="set",
        merge_key="",
        doc="Names of those who must agree before the object goes.",
    )
    managed_fields: list[ManagedFieldsEntry] = wire(
        [], list_type="atomic", number="17", doc="Which manager set which fields."
    )


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
