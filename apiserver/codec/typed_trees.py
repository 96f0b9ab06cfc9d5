"""Trees walked by type, as server-side apply sees them: the fields they set, their merge, their pruning.

A tree here is what a client wrote (an applied configuration) or a stored object in wire form. Atomic
parts and lists without a type count as one field. Nothing changes its arguments; results share parts
with them.

Source: sigs.k8s.io/structured-merge-diff/typed (toFieldSetWalker, mergingWalker, removingWalker).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

import orjson

from apiserver.codec.field_sets import SELF, Node, is_member
from wherry.api.shape import FieldShape, Shape

# Keys of list items that may be left out because upstream's schema has a default for them.
KEY_DEFAULTS: Final[Mapping[str, Any]] = {"protocol": "TCP"}

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Type:
    """How server-side apply sees a type: as one value, or as parts with names, keys or values."""

    kind: Literal["leaf", "struct", "map", "list"]
    shape: Shape | None = None
    element: FieldShape | None = None
    keys: tuple[str, ...] = ()  # of a list's items; without any, items are known by themselves
    field: FieldShape | None = None

    def part(self, name: str) -> Type | None:
        """The type of a struct's or map's part; None when a struct has no such field."""
        if self.shape is not None:
            field = self.shape.fields.get(name)
            return type_of(field) if field else None
        assert self.element is not None, "a map has elements"
        return type_of(self.element)

    def item(self) -> Type:
        assert self.element is not None, "a list has elements"
        return type_of(self.element)


@cache  # bounded by the number of model classes
def root_type(shape: Shape) -> Type:
    return Type("struct", shape=shape)


@cache  # bounded by the number of fields of all models
def type_of(field: FieldShape) -> Type:
    """The type of a field's or element's value."""
    traits = field.traits
    if field.kind == "struct":
        assert field.child is not None, "a struct has a shape"
        atomic = field.child.atomic and traits.map_type != "granular"
        if not atomic and traits.map_type != "atomic":
            return Type("struct", shape=field.child, field=field)
    elif field.kind == "map" and traits.map_type != "atomic":
        return Type("map", element=field.element, field=field)
    elif field.kind == "list" and traits.list_type in ("map", "set"):
        keys = tuple(sorted(traits.keys))
        return Type("list", element=field.element, keys=keys, field=field)
    return Type("leaf", field=field)


def element_key(item: Any, keys: Sequence[str]) -> str:
    """A list item's path element as `fieldsV1` writes it."""
    if not keys:
        return "v:" + orjson.dumps(item).decode()
    found = {}
    for name in keys:
        value = item.get(name)
        if value is None:
            value = KEY_DEFAULTS.get(name)
        if value is not None:
            found[name] = value
    return "k:" + orjson.dumps(found).decode()


def parts(value: Any, kind: Type) -> Iterator[tuple[str, Any, Type | None]]:
    """The parts of a value that is no leaf: path element, value, type."""
    if kind.kind == "list":
        item_type = kind.item()
        for item in value or ():
            yield element_key(item, kind.keys), item, item_type
        return
    for name, item in (value or {}).items():
        yield f"f:{name}", item, kind.part(name)


def field_set(value: Any, kind: Type) -> Node:
    """The fields a tree sets. Structs are members only when they are empty, list items always."""
    node: Node = {}
    for key, item, part in parts(value, kind):
        if part is None or part.kind == "leaf":
            node[key] = {}
            continue
        children = field_set(item, part)
        member = kind.kind == "list" or item is None or item == {}
        if member:
            node[key] = {SELF: {}, **children} if children else {}
        elif children:
            node[key] = children
    return dict(sorted(node.items()))


def named_as_members(node: Mapping[str, Any], kind: Type | None) -> Node:
    """The set in which a struct's field is a member as soon as anything inside it is."""
    result: Node = {}
    for key, child in node.items():
        if key == SELF:
            continue
        part = _type_at(kind, key)
        inner = named_as_members(child, part)
        named = kind is not None and kind.kind == "struct" and part is not None
        if not inner:
            result[key] = {}
        else:
            result[key] = {SELF: {}, **inner} if named or is_member(child) else inner
    return result


def _type_at(kind: Type | None, key: str) -> Type | None:
    if kind is None or kind.kind == "leaf":
        return None
    if key.startswith("f:"):
        return None if kind.kind == "list" else kind.part(key[2:])
    return kind.item() if kind.kind == "list" else None


def without(value: Any, removed: Mapping[str, Any], kind: Type) -> Any:
    """The value without the parts in a set; None when nothing is left of it."""
    if kind.kind == "leaf" or not isinstance(value, dict | list):
        return value
    left = []
    for key, item, part in parts(value, kind):
        node = removed.get(key)
        if node is None:
            left.append((key, item))
        elif not is_member(node):
            left.append((key, without(item, node, part) if part else item))
    if not left:
        return None
    if kind.kind == "list":
        return [item for _, item in left]
    return {key[2:]: item for key, item in left}


def merge(live: Any, config: Any, kind: Type) -> Any:
    """The live value with everything the configuration says."""
    if kind.kind == "leaf" or (not live and not config):
        return config
    if kind.kind == "list":
        return _merge_lists(live or [], config or [], kind)
    merged = dict(live or {})
    for name, item in (config or {}).items():
        part = kind.part(name)
        known = part is not None and name in merged
        merged[name] = merge(merged[name], item, part) if known and part else item
    return merged


def _merge_lists(live: Sequence[Any], config: Sequence[Any], kind: Type) -> list[Any]:
    """The configuration's order rules; live items it does not know keep their place before the next
    item that both have."""
    before = {element_key(item, kind.keys): item for item in reversed(live)}
    after = {element_key(item, kind.keys): item for item in config}
    order = [element_key(item, kind.keys) for item in live]
    shared = iter([key for key in after if key in before])
    next_shared = next(shared, None)
    merged: list[Any] = []
    at = 0
    for key, item in after.items():
        while at < len(order) and order[at] != key and order[at] != next_shared:
            if order[at] not in after:
                merged.append(live[at])
            at += 1
        if at < len(order) and order[at] == key:
            at += 1
        merged.append(merge(before[key], item, kind.item()) if key in before else item)
        if key == next_shared:
            next_shared = next(shared, None)
    merged += [live[i] for i in range(at, len(order)) if order[i] not in after]
    return merged
