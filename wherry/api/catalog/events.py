"""The events.k8s.io group: the core group's events under other names."""

from __future__ import annotations

from wherry.api.resource import Resource

RESOURCES = (
    Resource(
        "events.k8s.io", "v1", "Event", "events", "wherry.api.events_v1", short_names=("ev",),
        stored=False,
    ),
)  # fmt: skip
