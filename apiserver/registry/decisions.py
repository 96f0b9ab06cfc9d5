"""What a change of an object starts from, and what may be decided about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from apiserver.registry.strategy import Tree
from apiserver.storage.encoder import decode_item, item_of
from apiserver.storage.interface import Entry
from wherry.api.scheme import Resource


class Found(NamedTuple):
    """An object as a change starts from it. `fresh`: read from the store after the change began."""

    tree: Mapping[str, Any]
    revision: int
    fresh: bool


class Remove(NamedTuple):
    tree: Mapping[str, Any]


class Nothing(NamedTuple):
    tree: Mapping[str, Any]


class Put(NamedTuple):
    tree: Tree


Decision = Put | Remove | Nothing
Decide = Callable[[Found], Decision]


def found_in(resource: Resource, entry: Entry) -> Found:
    """An entry of the store, just read, as a change starts from it."""
    item = item_of(entry.value, entry.revision)
    return Found(decode_item(item, resource.gvk), entry.revision, True)
