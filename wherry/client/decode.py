"""From the server's bytes to typed values, without I/O: lists, watch lines, errors.

pydantic validates straight from JSON bytes, which is several times cheaper than a tree first. The
models of a list and of an event are derived from the kind's model, once per kind.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

import pydantic

from wherry.api.errors import CODES, ApiError, status_error
from wherry.api.meta_v1.meta import ListMeta, ObjectMeta
from wherry.api.model import GroupVersionKind, Model, TypedModel, wire
from wherry.client.transport import ApiUnavailable

M = TypeVar("M", bound=TypedModel)
V = TypeVar("V", bound=Model)

LINE_BYTES_MAX = 64 << 20  # one watch event; etcd's largest object is 3 MiB
_TEXT_SHOWN_MAX = 2048  # of an answer that is not a Status


class PartialObjectMetadata(TypedModel):
    """Any object, reduced to its metadata: what garbage collection and the like need."""

    GVK = GroupVersionKind("meta.k8s.io", "v1", "PartialObjectMetadata")

    metadata: ObjectMeta = wire(struct=ObjectMeta)


@dataclass(frozen=True, slots=True)
class ObjectList(Generic[M]):
    """A list as one revision showed it."""

    items: list[M]
    resource_version: str
    continue_: str = ""


@dataclass(frozen=True, slots=True)
class WatchEvent(Generic[M]):
    """ADDED, MODIFIED, DELETED (with the last state) or BOOKMARK (only its resourceVersion counts)."""

    type: str
    object: M


class _ListBase(Model):
    metadata: ListMeta = wire(struct=ListMeta)


class _EventBase(Model):
    type: str


@cache  # bounded by the number of model classes
def _list_model(model: type[TypedModel]) -> type[Any]:
    items: Any = (list[model] | None, None)  # type: ignore[valid-type]  # made at run time
    return pydantic.create_model(f"{model.__name__}List", __base__=_ListBase, items=items)


@cache  # bounded by the number of model classes
def _event_model(model: type[TypedModel]) -> type[Any]:
    return pydantic.create_model(
        f"{model.__name__}WatchEvent", __base__=_EventBase, object=(model, ...)
    )


def decode_object(model: type[M], body: bytes) -> M:
    return _read(model, body, model.GVK.kind)


def decode_list(model: type[M], body: bytes) -> ObjectList[M]:
    found = _read(_list_model(model), body, model.GVK.kind)
    return ObjectList(found.items or [], found.metadata.resource_version, found.metadata.continue_)


def decode_event(model: type[M], line: bytes) -> WatchEvent[M]:
    """The event on a watch's line; an ERROR event raises the ApiError it carries."""
    try:
        event = _read(_event_model(model), line, model.GVK.kind)
    except ApiUnavailable:
        if _type_of(line) != "ERROR":
            raise
    else:
        if event.type != "ERROR":
            return WatchEvent(event.type, event.object)
    raise ApiError(json.loads(line)["object"])


def decode_error(status: int, body: bytes, retry_after: str = "") -> ApiError:
    """The refusal in an answer; made up from the code when the body is no Status."""
    try:
        tree = json.loads(body)
    except ValueError:
        tree = None
    if isinstance(tree, dict) and tree.get("kind") == "Status":
        return ApiError({"code": status, **tree})
    reasons = {code: reason for reason, code in list(CODES.items())[::-1]}
    text = body[:_TEXT_SHOWN_MAX].decode(errors="replace").strip()
    details = {"retryAfterSeconds": int(retry_after)} if retry_after.isdigit() else None
    return status_error(
        reasons.get(status, "InternalError"),
        text or f"the server answered {status}",
        code=status,
        details=details,
    )


class LineSplitter:
    """Cuts a stream of bytes into lines, whatever the pieces it comes in."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []  # pieces of a line that has not ended yet
        self._size = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that are complete now; blank ones vanish."""
        first, newline, later = piece.partition(b"\n")
        if not newline:
            self._keep(piece)
            return []
        lines = [b"".join((*self._rest, first)), *later.split(b"\n")]
        self._rest.clear()
        self._size = 0
        self._keep(lines.pop())
        return [line for line in lines if line.strip()]

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > LINE_BYTES_MAX:
            raise ApiUnavailable(f"a line of the watch is longer than {LINE_BYTES_MAX} bytes")
        if piece:
            self._rest.append(piece)


def _type_of(line: bytes) -> str:
    try:
        return str(json.loads(line).get("type"))
    except (ValueError, AttributeError):
        return ""


def _read(model: type[V], body: bytes, kind: str) -> V:
    try:
        return model.from_json(body)
    except pydantic.ValidationError as error:
        # To Go null is the same as absent, and it writes null for some empty lists (bookmarks).
        if b"null" in body:
            try:
                return model.from_json(json.dumps(_without_nulls(json.loads(body))))
            except (ValueError, pydantic.ValidationError) as again:
                raise _unreadable(kind, error) from again
        raise _unreadable(kind, error) from error


def _without_nulls(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _without_nulls(value) for key, value in tree.items() if value is not None}
    if isinstance(tree, list):
        return [_without_nulls(value) for value in tree]
    return tree


def _unreadable(kind: str, error: pydantic.ValidationError) -> ApiUnavailable:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return ApiUnavailable(f"cannot read the server's {kind}: {where}: {first['msg']}")
