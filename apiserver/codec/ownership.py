"""Which fields a write set and which it removed: the comparison under managedFields.

For every shape a pair of functions is compiled, once: `added` names all fields of a value that was
not there, `compare` those that differ between two values. Equal subtrees cost one `==`. Atomic
structs, maps and lists count as one field. Lists without a type are atomic, maps are granular.

Source: sigs.k8s.io/structured-merge-diff/typed (compareWalker), with the schema upstream's OpenAPI
states for built-in types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import orjson

from apiserver.codec.field_sets import SELF, Node
from apiserver.codec.recall import Recall, key_of
from wherry.api.model import TypedModel
from wherry.api.shape import FieldShape, Shape


class Change(NamedTuple):
    """Fields that were added or modified, and fields that vanished; None where there are none."""

    set: Node | None = None
    removed: Node | None = None


class Owner(NamedTuple):
    """The compiled pair of a type that has parts."""

    added: Callable[[Any], Node]
    compare: Callable[[Any, Any], Change]


_UNCHANGED = Change()
# The parts of a value: path element → (value, owner; None for a leaf).
_Split = dict[str, tuple[Any, Owner | None]]
_Parts = Callable[[Any], _Split]


@cache  # bounded by the number of model classes
def struct_owner(shape: Shape) -> Owner:
    """The comparison for a struct that is not atomic."""
    table: dict[str, tuple[str, Owner | None]] = {}

    def element(name: str) -> tuple[str, Owner | None]:
        # filled on demand, so that a type may contain itself; bounded by the type's fields
        field = shape.fields.get(name)
        owner = _field_owner(field) if field else None
        if owner is not None and name == "spec" and issubclass(shape.model, TypedModel):
            owner = _recalled(owner)
        found = table[name] = (f"f:{name}", owner)
        return found

    def added(value: Any) -> Node:
        if not value:
            return {}
        node: Node = {SELF: {}}
        for name in sorted(value):
            key, owner = table.get(name) or element(name)
            node[key] = {} if owner is None else owner.added(value[name])
        return node

    def parts(value: Any) -> _Split:
        found: _Split = {}
        for name, item in value.items():
            key, owner = table.get(name) or element(name)
            found[key] = (item, owner)
        return found

    return _owner(parts, added)


def _recalled(owner: Owner) -> Owner:
    """The pair, its comparison made once for each different pair of parts (see `recall`)."""
    known: Recall[Change] = Recall()

    def compare(old: Any, new: Any) -> Change:
        key = key_of((old, new))
        found = known.get(key) if key is not None else None
        if found is None:
            found = owner.compare(old, new)
            if key is not None:
                known.put(key, found)
        return found

    return Owner(owner.added, compare)


def _field_owner(field: FieldShape) -> Owner | None:
    """The comparison for a field's value; None when it is a leaf."""
    if field.kind == "struct":
        assert field.child is not None, "a struct has a shape"
        atomic = field.child.atomic and field.traits.map_type != "granular"
        return None if atomic or field.traits.map_type == "atomic" else struct_owner(field.child)
    if field.kind == "map":
        assert field.element is not None, "a map has elements"
        return None if field.traits.map_type == "atomic" else _map_owner(field.element)
    if field.kind == "list" and field.traits.list_type in ("map", "set"):
        return _list_owner(field)
    return None


def _map_owner(element: FieldShape) -> Owner:
    owner = _field_owner(element)

    def parts(value: Any) -> _Split:
        return {f"f:{name}": (item, owner) for name, item in value.items()}

    return _owner(parts)


def _list_owner(field: FieldShape) -> Owner:
    """A list whose items are known by their keys, or by themselves."""
    names = sorted(field.traits.keys)
    assert field.element is not None, "a list has elements"
    owner = _field_owner(field.element) if names else None

    def parts(value: Any) -> _Split:
        found: _Split = {}
        for item in value:
            if names:
                identity = orjson.dumps({name: item[name] for name in names if name in item})
                found[f"k:{identity.decode()}"] = (item, owner)
            else:
                found[f"v:{orjson.dumps(item).decode()}"] = (item, owner)
        return found

    return _owner(parts)


def _owner(parts: _Parts, added: Callable[[Any], Node] | None = None) -> Owner:
    """The pair for any type, from how its values fall into parts."""

    def added_parts(value: Any) -> Node:
        if not value:
            return {}
        node: Node = {SELF: {}}
        for key, (item, owner) in sorted(parts(value).items(), key=_by_key):
            node[key] = _added(item, owner)
        return node

    def compare(old: Any, new: Any) -> Change:
        if old == new:
            return _UNCHANGED
        if not old and not new:
            return Change(set={})  # null became empty, or the reverse: one leaf
        return _compare_parts(parts(old) if old else {}, parts(new) if new else {})

    return Owner(added or added_parts, compare)


def _added(item: Any, owner: Owner | None) -> Node:
    return {} if owner is None else owner.added(item)


def _compare_parts(before: _Split, after: _Split) -> Change:
    changed: Node = {}
    removed: Node = {}
    for key, (item, owner) in after.items():
        if key not in before:
            changed[key] = _added(item, owner)
            continue
        was = before[key][0]
        if item == was:
            continue
        change = Change(set={}) if owner is None else owner.compare(was, item)
        if change.set is not None:
            changed[key] = change.set
        if change.removed is not None:
            removed[key] = change.removed
    for key, (item, owner) in before.items():
        if key not in after:
            removed[key] = _added(item, owner)
    return Change(dict(sorted(changed.items())) or None, removed or None)


def _by_key(item: tuple[str, Any]) -> str:
    return item[0]


def compare_objects(
    old: Mapping[str, Any], new: Mapping[str, Any], shape: Shape, ignored: frozenset[str]
) -> tuple[Node, Node]:
    """The sets of fields set and removed by a write, `ignored` being names of root fields.

    Identity and bookkeeping (`kind`, `metadata.name`, `metadata.uid` ...) belong to nobody.
    """
    owner = struct_owner(shape)
    change = owner.compare(_tracked(old, ignored), _tracked(new, ignored))
    return change.set or {}, change.removed or {}


_STRIPPED_METADATA = frozenset(
    {
        "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation",
        "managedFields", "resourceVersion",
    }
)  # fmt: skip


def _tracked(tree: Mapping[str, Any], ignored: frozenset[str]) -> dict[str, Any]:
    kept = {key: value for key, value in tree.items() if key not in ignored}
    metadata = kept.get("metadata") or {}
    kept["metadata"] = {
        key: value for key, value in metadata.items() if key not in _STRIPPED_METADATA
    }
    return kept
