"""What became of some resources since somebody last looked, from the watch cache's windows.

Nothing is called when an object changes: whoever needs to know looks, and pays for the changes since
it last did. While nothing changed, that is one comparison for each resource.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from apiserver.storage.window import Cached, Event, HistoryGone
from wherry.api.scheme import Resource


class Window(Protocol):
    """What is needed of `ResourceWindow`."""

    @property
    def resource(self) -> Resource: ...

    @property
    def changed(self) -> int: ...

    def select(self, namespace: str = "", after: str = "") -> list[Cached]: ...

    def since(self, revision: int) -> list[Event]: ...


class Taker(Protocol):
    """Who keeps something of the objects."""

    def clear(self, resource: Resource) -> None:
        """Forget all objects of a resource."""

    def take(self, resource: Resource, now: Cached, before: Cached | None) -> None:
        """An object came or changed."""

    def drop(self, resource: Resource, last: Cached) -> None:
        """An object is gone."""


class Follower:
    """Brings a taker up to date."""

    def __init__(self, windows: Sequence[Window], taker: Taker) -> None:
        self._windows = tuple(windows)
        self._taker = taker
        self._seen = [0] * len(self._windows)

    def follow(self) -> bool:
        """Hand over what happened since the last call; whether anything did."""
        seen, moved = self._seen, False
        for index, window in enumerate(self._windows):
            if window.changed != seen[index]:
                self._catch_up(window, seen[index])
                seen[index] = window.changed
                moved = True
        return moved

    def _catch_up(self, window: Window, seen: int) -> None:
        taker, resource = self._taker, window.resource
        try:
            events = window.since(seen) if window.changed > seen else None
        except HistoryGone:
            events = None
        if events is None:  # the window began anew, or forgot
            taker.clear(resource)
            for cached in window.select():
                taker.take(resource, cached, None)
            return
        for event in events:
            if event.type == "DELETED":
                taker.drop(resource, event.current)
            else:
                taker.take(resource, event.current, event.previous)
