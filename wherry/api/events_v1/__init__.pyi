"""The types of the events group, v1. A name is imported when it is first asked for."""

from wherry.api.events_v1.event import Event as Event
from wherry.api.events_v1.event import EventSeries as EventSeries
