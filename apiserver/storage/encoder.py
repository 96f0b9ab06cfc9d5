"""How objects look as bytes: in the store, in a GET, in a LIST, in a WATCH.

`resourceVersion` is the store's revision of the write, unknown while the value is written. So stored
bytes leave it out and open with a *head* of known length,

    {"kind":K,"apiVersion":GV,"metadata":{

and serving only swaps heads: an item is `{"metadata":{"resourceVersion":"N",` + the stored rest, which
is how a list shows objects of built-in kinds; a single object is `{"kind":K,"apiVersion":GV,` + the
item without its first brace. Nothing is parsed or encoded again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import orjson

from wherry.api.model import GroupVersionKind

METADATA = b'"metadata":{'
EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]


class UnknownBytes(ValueError):
    """A stored value that this encoder did not write."""


def encode(tree: Mapping[str, Any]) -> bytes:
    """The stored form of an object: kind, apiVersion and metadata first, no resourceVersion.

    `metadata` must hold something besides resourceVersion; every stored object has a name and a uid.
    """
    metadata = tree["metadata"]
    if "resourceVersion" in metadata:
        metadata = {key: value for key, value in metadata.items() if key != "resourceVersion"}
    assert metadata, "an object without metadata cannot be stored"
    head = {"kind": tree["kind"], "apiVersion": tree["apiVersion"], "metadata": metadata}
    return orjson.dumps(head | {key: tree[key] for key in tree if key not in head})


def item_of(stored: bytes, revision: int) -> bytes:
    """A stored value as an item of a list: without kind and apiVersion, with resourceVersion."""
    # kind, apiVersion are quoted names without escapes, so the first match is the object's own.
    start = stored.find(METADATA, 0, 256)
    if start < 0 or not stored.startswith(b'{"kind":"'):
        raise UnknownBytes(stored[:64])
    return b'{"metadata":{"resourceVersion":"%d",%b' % (revision, stored[start + len(METADATA) :])


def object_head(gvk: GroupVersionKind) -> bytes:
    """What stands before an item's first field when the object stands alone."""
    return b'{"kind":"%b","apiVersion":"%b",' % (gvk.kind.encode(), gvk.api_version.encode())


def object_of(head: bytes, item: bytes) -> bytes:
    """A whole object from its head and its item form."""
    return head + item[1:]


def frame(kind: EventType, body: bytes) -> bytes:
    """One line of a watch stream."""
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), body)


def object_frame(kind: EventType, head: bytes, item: bytes) -> bytes:
    """One line of a watch stream that shows a whole object."""
    return b'{"type":"%b","object":%b%b}\n' % (kind.encode(), head, item[1:])


def decode_item(item: bytes, gvk: GroupVersionKind) -> dict[str, Any]:
    """The object's tree, its own to change, with kind, apiVersion and resourceVersion."""
    return {"kind": gvk.kind, "apiVersion": gvk.api_version, **orjson.loads(item)}
