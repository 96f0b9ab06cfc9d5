"""Events."""

from __future__ import annotations

from wherry.api.core_v1.event import EventSource
from wherry.api.core_v1.reference import ObjectReference
from wherry.api.meta_v1.meta import ObjectMeta
from wherry.api.model import GroupVersionKind, Int32, MicroTime, Model, Time, TypedModel, wire


class EventSeries(Model):
    count: Int32 = wire(0, required=True, zero="kept")
    last_observed_time: MicroTime | None = wire(None, required=True, zero="kept")


class Event(TypedModel):
    GVK = GroupVersionKind("events.k8s.io", "v1", "Event")

    metadata: ObjectMeta = wire(struct=ObjectMeta)
    event_time: MicroTime | None = wire(None, required=True, zero="kept")
    series: EventSeries | None = None
    reporting_controller: str = ""
    reporting_instance: str = ""
    action: str = ""
    reason: str = ""
    regarding: ObjectReference = wire(struct=ObjectReference)
    related: ObjectReference | None = None
    note: str = ""
    type: str = ""
    deprecated_source: EventSource = wire(struct=EventSource)
    deprecated_first_timestamp: Time | None = wire(None, zero="kept")
    deprecated_last_timestamp: Time | None = wire(None, zero="kept")
    deprecated_count: Int32 = 0
