"""Events."""

from __future__ import annotations

from wherry.api.core_v1.reference import ObjectReference
from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, MicroTime, Model, Time, TypedModel, wire


class EventSource(Model):
    component: str = ""
    host: str = ""


class EventSeries(Model):
    count: Int32 = 0
    last_observed_time: MicroTime | None = wire(None, zero="kept")


class Event(TypedModel):
    GVK = GroupVersionKind("", "v1", "Event")

    metadata: ObjectMeta = wire(struct=ObjectMeta, required=True)
    involved_object: ObjectReference = wire(struct=ObjectReference, required=True, zero="kept")
    reason: str = ""
    message: str = ""
    source: EventSource = wire(struct=EventSource)
    first_timestamp: Time | None = wire(None, zero="kept")
    last_timestamp: Time | None = wire(None, zero="kept")
    count: Int32 = 0
    type: str = ""
    event_time: MicroTime | None = wire(None, zero="kept")
    series: EventSeries | None = None
    action: str = ""
    related: ObjectReference | None = None
    reporting_component: str = wire("", zero="kept")
    reporting_instance: str = wire("", zero="kept")
