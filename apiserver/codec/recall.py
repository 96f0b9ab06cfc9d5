"""Recall: what was found out about a part of an object is not found out again for an equal part.

Controllers make many objects of one template. Writing a pod's spec out as JSON costs 2 µs and looking
those bytes up as much; walking it by its type costs fifty times that, in every room it passes. So a
pure function of a spec is asked once for each different spec. Only a root's `spec` is recalled: what
else there is (metadata, status, a Secret's data) hardly ever comes twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import orjson

# Of one function. At 2 KB a spec that is about a megabyte when full.
PARTS_MAX: Final = 512
PART_BYTES_MAX: Final = 16 * 1024

Value = TypeVar("Value")


class Recall(Generic[Value]):
    """Values by the bytes of what they were made of; the oldest goes when there are too many.

    Values are shared: whoever takes one out must not change it.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Value] = {}

    def get(self, key: bytes) -> Value | None:
        return self._known.get(key)

    def put(self, key: bytes, value: Value) -> None:
        if len(key) > PART_BYTES_MAX:
            return
        known = self._known
        if len(known) >= PARTS_MAX and key not in known:
            del known[next(iter(known))]
        known[key] = value


def key_of(part: Any) -> bytes | None:
    """What equal parts have in common; None for what cannot be written as JSON."""
    try:
        return orjson.dumps(part)
    except (TypeError, ValueError):  # an integer beyond 64 bits, half of a surrogate pair
        return None


def passing(check: Callable[[Any], list[Any]]) -> Callable[[Any], list[Any]]:
    """A check that is not repeated on a part which passed it: for pure checks, which find nothing
    wrong with almost everything."""
    passed: Recall[bool] = Recall()

    def recalled(part: Any) -> list[Any]:
        key = key_of(part)
        if key is not None and passed.get(key):
            return []
        found = check(part)
        if key is not None and not found:
            passed.put(key, True)
        return found

    return recalled
