"""The forms objects are shown in: as they are, as Table rows, as metadata only.

`Shower` turns cached objects into a whole answer, a list, or a line of a watch. The plain form moves
bytes and parses nothing; the others parse each object once for each request (watches: once for all
watchers of the same form).

Source: k8s.io/apiserver/pkg/endpoints/handlers/response.go; metav1.Table.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

import orjson

from apiserver.handlers.negotiate import META_GROUP, Form, check_form, form_of
from apiserver.registry.strategy import Strategy
from apiserver.storage.encoder import EventType, frame, object_frame, object_head, object_of
from apiserver.storage.window import Cached
from wherry.api.scheme import Resource
from wherry.daemon.clock import Clock

CHUNK_BYTES = 256 * 1024  # of a streamed list
CHUNK_PARSED_OBJECTS = 100  # parsed between two turns of the event loop
INITIAL_END = {"k8s.io/initial-events-end": "true"}
Include = Literal["Metadata", "Object", "None"]


class ListMeta(NamedTuple):
    """metav1.ListMeta."""

    revision: int
    continue_: str = ""
    remaining: int = 0

    def json(self) -> bytes:
        tree: dict[str, Any] = {"resourceVersion": str(self.revision)}
        if self.continue_:
            tree["continue"] = self.continue_
        if self.remaining:
            tree["remainingItemCount"] = self.remaining
        return orjson.dumps(tree)


class Shower(Protocol):
    """One form. Also a `FrameEncoder`."""

    key: Hashable

    def whole(self, item: bytes) -> bytes:
        """A single object, from its item form."""

    def listing(self, found: Sequence[Cached], meta: ListMeta) -> AsyncIterator[bytes]: ...

    def frame(self, kind: EventType, cached: Cached) -> bytes: ...

    def bookmark(self, revision: int, *, initial_end: bool) -> bytes: ...


class ObjectShower:
    """Objects as they are."""

    def __init__(self, resource: Resource) -> None:
        self.key: Hashable = "object"
        self._resource = resource
        self._head = object_head(resource.gvk)
        self._list_head = b'{"kind":"%b","apiVersion":"%b","metadata":' % (
            resource.list_kind.encode(),
            resource.api_version.encode(),
        )

    def whole(self, item: bytes) -> bytes:
        return object_of(self._head, item)

    async def listing(self, found: Sequence[Cached], meta: ListMeta) -> AsyncIterator[bytes]:
        before = b'%b%b,"items":[' % (self._list_head, meta.json())
        items: list[bytes] = []
        size = 0
        for cached in found:
            items.append(cached.item)
            size += len(cached.item)
            if size >= CHUNK_BYTES:
                yield before + b",".join(items)
                before, items, size = b",", [], 0
        rest = b",".join(items)
        yield (before + rest if rest or before != b"," else b"") + b"]}\n"

    def frame(self, kind: EventType, cached: Cached) -> bytes:
        return object_frame(kind, self._head, cached.item)

    def bookmark(self, revision: int, *, initial_end: bool) -> bytes:
        return frame("BOOKMARK", _bookmark_object(self._resource, revision, initial_end))


class PartialShower:
    """Metadata only."""

    def __init__(self, form: Form) -> None:
        self.key: Hashable = form
        self._api_version = f"{META_GROUP}/{form.version}"

    def whole(self, item: bytes) -> bytes:
        return orjson.dumps(
            {
                "kind": "PartialObjectMetadata",
                "apiVersion": self._api_version,
                "metadata": orjson.loads(item)["metadata"],
            }
        )

    async def listing(self, found: Sequence[Cached], meta: ListMeta) -> AsyncIterator[bytes]:
        head = b'{"kind":"PartialObjectMetadataList","apiVersion":"%b","metadata":'
        yield head % self._api_version.encode() + meta.json() + b',"items":['
        for first in range(0, len(found), CHUNK_PARSED_OBJECTS):
            part = found[first : first + CHUNK_PARSED_OBJECTS]
            yield (b"," if first else b"") + b",".join(self.whole(one.item) for one in part)
        yield b"]}\n"

    def frame(self, kind: EventType, cached: Cached) -> bytes:
        return frame(kind, self.whole(cached.item))

    def bookmark(self, revision: int, *, initial_end: bool) -> bytes:
        metadata: dict[str, Any] = {"resourceVersion": str(revision)}
        if initial_end:
            metadata["annotations"] = INITIAL_END
        tree = {
            "kind": "PartialObjectMetadata",
            "apiVersion": self._api_version,
            "metadata": metadata,
        }
        return frame("BOOKMARK", orjson.dumps(tree))


class TableShower:
    """Rows of a Table, as `kubectl get` prints them."""

    def __init__(
        self, resource: Resource, strategy: Strategy, form: Form, include: Include, clock: Clock
    ) -> None:
        self.key: Hashable = (form, include)
        self._resource = resource
        self._strategy = strategy
        self._include = include
        self._clock = clock
        self._api_version = f"{META_GROUP}/{form.version}"
        self._columns = [
            {
                "name": column.name,
                "type": column.type,
                "format": column.format,
                "description": column.description,
                "priority": column.priority,
            }
            for column in strategy.columns
        ]

    def whole(self, item: bytes) -> bytes:
        tree = orjson.loads(item)
        metadata = {"resourceVersion": tree["metadata"].get("resourceVersion", "")}
        return self._table(metadata, [self._row(tree, self._clock.now())])

    async def listing(self, found: Sequence[Cached], meta: ListMeta) -> AsyncIterator[bytes]:
        now = self._clock.now()
        head = b'{"kind":"Table","apiVersion":"%b","metadata":%b,"columnDefinitions":%b,"rows":' % (
            self._api_version.encode(),
            meta.json(),
            orjson.dumps(self._columns),
        )
        if not found and self._strategy.columns is Strategy.columns:
            yield head + b"null}\n"  # as upstream's convertor of kinds without columns of their own
            return
        yield head + b"["
        for first in range(0, len(found), CHUNK_PARSED_OBJECTS):
            part = found[first : first + CHUNK_PARSED_OBJECTS]
            rows = orjson.dumps([self._row(orjson.loads(one.item), now) for one in part])
            yield (b"," if first else b"") + rows[1:-1]
        yield b"]}\n"

    def frame(self, kind: EventType, cached: Cached) -> bytes:
        # Columns travel with each event: watchers of one form share frames, whenever they came.
        return frame(kind, self.whole(cached.item))

    def bookmark(self, revision: int, *, initial_end: bool) -> bytes:
        item = orjson.loads(_bookmark_object(self._resource, revision, initial_end))
        row = {"cells": [None for _ in self._columns], "object": self._partial(item)}
        return frame("BOOKMARK", self._table({"resourceVersion": str(revision)}, [row]))

    def _table(self, metadata: dict[str, Any], rows: list[dict[str, Any]]) -> bytes:
        return orjson.dumps(
            {
                "kind": "Table",
                "apiVersion": self._api_version,
                "metadata": metadata,
                "columnDefinitions": self._columns,
                "rows": rows,
            }
        )

    def _row(self, tree: dict[str, Any], now: datetime) -> dict[str, Any]:
        row: dict[str, Any] = {"cells": list(self._strategy.row(tree, now))}
        if self._include == "Object":
            row["object"] = self._object(tree)
        elif self._include == "Metadata":
            row["object"] = self._partial(tree)
        return row

    def _object(self, tree: dict[str, Any]) -> dict[str, Any]:
        gvk = self._resource.gvk
        return {"kind": gvk.kind, "apiVersion": gvk.api_version, **tree}

    def _partial(self, tree: dict[str, Any]) -> dict[str, Any]:
        return {
            "kind": "PartialObjectMetadata",
            "apiVersion": self._api_version,
            "metadata": tree["metadata"],
        }


def shower_of(accept: str, strategy: Strategy, clock: Clock, *, listed: bool) -> Shower:
    """The form that an Accept header asks for, of a kind that is not stored. ApiError 406."""
    form = form_of(accept)
    check_form(form, strategy.resource.gvk, listed=listed)
    if form.kind == "object":
        return ObjectShower(strategy.resource)
    if form.kind == "partial":
        return PartialShower(form)
    return TableShower(strategy.resource, strategy, form, "Metadata", clock)


async def listed(shower: Shower, found: Sequence[Cached]) -> bytes:
    """A whole list of objects that have no revision."""
    return b"".join([chunk async for chunk in shower.listing(found, ListMeta(0))])


def _bookmark_object(resource: Resource, revision: int, initial_end: bool) -> bytes:
    metadata: dict[str, Any] = {"resourceVersion": str(revision)}
    if initial_end:
        metadata["annotations"] = INITIAL_END
    gvk = resource.gvk
    return orjson.dumps({"kind": gvk.kind, "apiVersion": gvk.api_version, "metadata": metadata})
