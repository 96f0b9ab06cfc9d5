"""The types of the events group, v1. A name is imported when it is first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.api.lazy import lazy_exports

if TYPE_CHECKING:
    from wherry.api.events_v1.event import Event as Event
    from wherry.api.events_v1.event import EventSeries as EventSeries

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "event": ("Event", "EventSeries"),
    },
)
