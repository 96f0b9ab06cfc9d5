"""What the cache knows of one resource: its objects now, and how they came to be so. Pure.

`ResourceWindow` is driven by `load` and `apply` and never waits. Objects are kept as bytes (their
list item form), with the labels and selectable fields beside them. History is a sliding window of
events, bounded by count and age; an event keeps the object's previous state, so that an object that
leaves a selector can be shown as DELETED in its last matching state.

Source of the behaviour: k8s.io/apiserver/pkg/storage/cacher.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Literal, NamedTuple

import orjson

from apiserver.storage.encoder import item_of, object_head
from apiserver.storage.keys import path_of
from wherry.api.scheme import Resource

HISTORY_EVENTS_MAX = 8192  # per resource; some 20 MiB when full of pods
HISTORY_SECONDS_MAX = 300.0
ITEM_REVISION_AT = len(b'{"metadata":{"resourceVersion":"')

# Writes of this server that its own event has not come back for; beyond, the event is parsed.
EXPECTED_MAX = 256

FieldsOf = Callable[[Mapping[str, Any]], Mapping[str, str]]
ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]


class Cached:
    """One state of one object. Immutable."""

    __slots__ = ("fields", "item", "labels", "name", "namespace", "path", "revision")

    def __init__(
        self,
        namespace: str,
        name: str,
        item: bytes,
        revision: int,
        labels: Mapping[str, str],
        fields: Mapping[str, str],
    ) -> None:
        self.namespace = namespace
        self.name = name
        self.path = path_of(namespace, name)
        self.item = item
        self.revision = revision
        self.labels = labels
        self.fields = fields

    def at(self, revision: int) -> Cached:
        """The same state under another revision: how a deletion shows the last state."""
        rest = self.item.index(b'"', ITEM_REVISION_AT)
        item = b"%b%d%b" % (self.item[:ITEM_REVISION_AT], revision, self.item[rest:])
        return Cached(self.namespace, self.name, item, revision, self.labels, self.fields)


class Event:
    """One change. `frames` keeps what was encoded of it, shared by all watchers."""

    __slots__ = ("at", "current", "frames", "previous", "revision", "type")

    def __init__(
        self,
        kind: ChangeType,
        current: Cached,
        previous: Cached | None,
        revision: int,
        at: float,
    ) -> None:
        self.type = kind
        self.current = current
        self.previous = previous
        self.revision = revision
        self.at = at
        self.frames: dict[Any, bytes] = {}


class Index(NamedTuple):
    """What of an object is looked at without parsing it."""

    labels: Mapping[str, str]
    fields: Mapping[str, str]


class HistoryGone(Exception):
    """Events after this revision are no longer all known; `oldest` is the first usable start."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"history begins at revision {oldest}")
        self.oldest = oldest


class ResourceWindow:
    """Objects and recent history of one resource.

    Invariants: `_order` holds exactly the keys of `_objects`, sorted; `_history` holds every event
    above `oldest`. `_expected` only ever saves work: what is in it is compared with what came.
    """

    def __init__(self, resource: Resource, fields_of: FieldsOf) -> None:
        self.resource = resource
        self.head = object_head(resource.gvk)
        self.oldest = 0
        self.changed = 0  # no change above this revision is known
        self._fields_of = fields_of
        self._objects: dict[str, Cached] = {}
        self._order: list[str] = []
        self._history: deque[Event] = deque()
        self._expected: dict[str, tuple[bytes, Index]] = {}

    def __len__(self) -> int:
        return len(self._objects)

    def reset(self, revision: int, objects: Iterable[Cached] = ()) -> None:
        """Forget everything; these objects are the state at `revision`."""
        self.oldest = revision
        self.changed = revision
        self._objects = {cached.path: cached for cached in objects}
        self._order = sorted(self._objects)
        self._history.clear()

    def expect(self, namespace: str, name: str, stored: bytes, tree: Mapping[str, Any]) -> None:
        """These bytes, which say `tree`, are about to be stored: they need no parsing as they come."""
        if len(self._expected) >= EXPECTED_MAX:
            del self._expected[next(iter(self._expected))]
        index = index_of(self._fields_of, namespace, name, tree)
        self._expected[path_of(namespace, name)] = stored, index

    def read(self, namespace: str, name: str, stored: bytes, revision: int) -> Cached:
        """A stored value as `reset` takes it. ValueError or KeyError when it is no object."""
        return read_object(self._fields_of, namespace, name, stored, revision)

    def apply(
        self, namespace: str, name: str, stored: bytes | None, revision: int, now: float
    ) -> Event | None:
        """Take over a change; None when it deletes what was not there."""
        path = path_of(namespace, name)
        previous = self._objects.get(path)
        if stored is None:
            if previous is None:
                return None
            del self._objects[path]
            del self._order[bisect_left(self._order, path)]
            event = Event("DELETED", previous.at(revision), previous, revision, now)
        else:
            current = self._read(namespace, name, stored, revision, previous)
            self._objects[path] = current
            if previous is None:
                insort(self._order, path)
            kind: ChangeType = "MODIFIED" if previous else "ADDED"
            event = Event(kind, current, previous, revision, now)
        self.changed = revision
        self._history.append(event)
        if len(self._history) > HISTORY_EVENTS_MAX:
            self.oldest = self._history.popleft().revision
        return event

    def trim(self, now: float) -> None:
        """Drop history that is too old."""
        while self._history and self._history[0].at < now - HISTORY_SECONDS_MAX:
            self.oldest = self._history.popleft().revision

    def get(self, namespace: str, name: str) -> Cached | None:
        return self._objects.get(path_of(namespace, name))

    def select(self, namespace: str = "", after: str = "") -> list[Cached]:
        """The objects in key order: of one namespace or of all, beyond the path `after`."""
        order, objects = self._order, self._objects
        first, last = 0, len(order)
        if namespace:
            first = bisect_left(order, f"{namespace}/")
            last = bisect_left(order, f"{namespace}0")
        if after:
            first = max(first, bisect_right(order, after))
        return [objects[path] for path in order[first:last]]

    def since(self, revision: int) -> list[Event]:
        """The events above a revision, oldest first. Raises HistoryGone."""
        if revision < self.oldest:
            raise HistoryGone(self.oldest)
        first = bisect_right(self._history, revision, key=lambda event: event.revision)
        return list(islice(self._history, first, None))

    def _read(
        self,
        namespace: str,
        name: str,
        stored: bytes,
        revision: int,
        previous: Cached | None,
    ) -> Cached:
        expected = self._expected.pop(path_of(namespace, name), None)
        if expected is not None and expected[0] == stored:
            cached = Cached(namespace, name, item_of(stored, revision), revision, *expected[1])
        else:
            cached = read_object(self._fields_of, namespace, name, stored, revision)
        if previous is not None:  # most changes move neither: share the memory
            if previous.labels == cached.labels:
                cached.labels = previous.labels
            if previous.fields == cached.fields:
                cached.fields = previous.fields
        return cached


def read_object(
    fields_of: FieldsOf, namespace: str, name: str, stored: bytes, revision: int
) -> Cached:
    """A stored value as the cache keeps it. ValueError or KeyError when it is no object."""
    index = index_of(fields_of, namespace, name, orjson.loads(stored))
    return Cached(namespace, name, item_of(stored, revision), revision, *index)


def index_of(fields_of: FieldsOf, namespace: str, name: str, tree: Mapping[str, Any]) -> Index:
    """The labels and selectable fields of an object."""
    fields = {**fields_of(tree), "metadata.name": name}
    if namespace:
        fields["metadata.namespace"] = namespace
    return Index(tree["metadata"].get("labels") or {}, fields)
