"""Server-side apply: a configuration becomes part of an object, and its fields its applier's. Pure.

`apply` merges what a manager wants into the live object, takes away what it had applied and now leaves
out (unless somebody else owns it), and hands over the fields. Where the merge would change fields of
other managers it answers with `Conflicts`, unless forced. The applied tree is what the client wrote,
checked by `typed_check.py` but not canonical: exactly its fields are owned.

Values are compared as the merge leaves them, before defaults: an atomic list whose items got defaults
differs from the one that was applied, as it does upstream.

Not here: changes of a type's list topology between versions (there is one version of each type).
Source: sigs.k8s.io/structured-merge-diff/merge/update.go, k8s.io/apimachinery/pkg/util/managedfields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from apiserver.codec.canonical import canonical
from apiserver.codec.field_sets import Node, difference, intersection, paths, union
from apiserver.codec.managed_fields import APPLY, UPDATE, Entry, ignored_by, to_wire, zero
from apiserver.codec.ownership import compare_objects
from apiserver.codec.typed_trees import Type, field_set, merge, named_as_members, root_type, without
from wherry.api.model import format_time
from wherry.api.shape import Shape

BEFORE_FIRST_APPLY: Final = "before-first-apply"
# What belongs to nobody: identity and the server's bookkeeping.
_NOBODYS: Final[Node] = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {
        ".": {},
        **{
            f"f:{name}": {}
            for name in (
                "clusterName", "creationTimestamp", "generation", "managedFields", "name",
                "namespace", "resourceVersion", "selfLink", "uid",
            )
        },
    },
}  # fmt: skip

Tree = dict[str, Any]


class Applier(NamedTuple):
    """Who applies, by which version, to which subresource."""

    manager: str
    api_version: str
    subresource: str = ""


class Conflict(NamedTuple):
    """Fields of another manager that the merge would change."""

    entry: Entry
    fields: Node


@dataclass(frozen=True, slots=True)
class Conflicts:
    found: tuple[Conflict, ...]

    @property
    def fields(self) -> Node:
        fields: Node = {}
        for one in self.found:
            fields = union(fields, one.fields)
        return fields

    def apart_from(self, allowed: Node) -> Conflicts:
        """What is left of the conflicts when some fields don't count."""
        rest = ((one.entry, difference(one.fields, allowed)) for one in self.found)
        return Conflicts(tuple(Conflict(entry, fields) for entry, fields in rest if fields))


def apply(
    live: Mapping[str, Any] | None,
    applied: Mapping[str, Any],
    managers: Sequence[Entry],
    shape: Shape,
    applier: Applier,
    *,
    force: bool,
    now: datetime,
) -> Tree | Conflicts:
    """The object after an apply, with its managedFields. `live` is None when there is none yet.

    Raises Mismatch or ValueError when a value of the right JSON type makes no sense in its field.
    """
    kind = root_type(shape)
    ignored = ignored_by(applier.subresource)
    before = live if live is not None else zero(shape)
    config = {key: value for key, value in applied.items() if key not in ignored or _is_head(key)}
    if live is not None and not managers:
        managers = _before_first_apply(live, shape, applier, now)
    mine = Entry(
        applier.manager, APPLY, applier.api_version, applier.subresource, format_time(now),
        field_set(config, kind),
    )  # fmt: skip
    last = next((one for one in managers if one.key == mine.key), None)
    others = [one for one in managers if one.key != mine.key]
    merged = merge(before, config, kind)
    if last is not None:
        merged = _prune(merged, last.fields, mine.fields, others, kind)
    new = canonical(shape.model, merged)
    changed, removed = compare_objects(before, new, shape, ignored)
    conflicts = _conflicts(others, changed)
    if conflicts.found and not force:
        return conflicts
    entries = _losing(others, conflicts, removed)
    mine = replace(mine, fields=difference(mine.fields, _NOBODYS))
    if last is not None and last.fields == mine.fields and not (changed or removed):
        mine = replace(mine, time=last.time)
    if mine.fields:
        entries.append(mine)
    if entries:
        new["metadata"]["managedFields"] = to_wire(entries)
    else:
        new["metadata"].pop("managedFields", None)
    return new


def _is_head(key: str) -> bool:
    return key in ("kind", "apiVersion")


def _before_first_apply(
    live: Mapping[str, Any], shape: Shape, applier: Applier, now: datetime
) -> list[Entry]:
    """An object that nobody was tracked on: all of it belongs to its past."""
    fields, _ = compare_objects(zero(shape), live, shape, ignored_by(applier.subresource))
    if not fields:
        return []
    return [
        Entry(
            BEFORE_FIRST_APPLY, UPDATE, applier.api_version, applier.subresource, format_time(now),
            fields,
        )
    ]  # fmt: skip


def _prune(
    merged: Tree, last: Node, wanted: Node, others: Sequence[Entry], kind: Type
) -> Mapping[str, Any]:
    """Without what was applied last time, is not any more, and nobody else owns."""
    if not difference(last, wanted):
        return merged
    had = named_as_members(last, kind)
    owned = wanted
    for one in others:
        owned = union(owned, one.fields)
    present = named_as_members(field_set(merged, kind), kind)
    bare = without(merged, had, kind) or {}
    kept = union(named_as_members(field_set(bare, kind), kind), named_as_members(owned, kind))
    # what others own comes back, and so does what the applier never had
    backed = without(merged, difference(present, kept), kind) or {}
    gone = difference(present, named_as_members(field_set(backed, kind), kind))
    return without(merged, intersection(gone, had), kind) or {}


def _conflicts(others: Sequence[Entry], changed: Node) -> Conflicts:
    found = ((one, intersection(one.fields, changed)) for one in others)
    return Conflicts(tuple(Conflict(one, fields) for one, fields in found if fields))


def _losing(others: Sequence[Entry], conflicts: Conflicts, removed: Node) -> list[Entry]:
    """The others after they lost what was taken from them and what is gone."""
    taken = {one.entry.key: one.fields for one in conflicts.found}
    left = []
    for one in others:
        fields = difference(one.fields, union(taken.get(one.key, {}), removed))
        if fields:
            left.append(one if fields == one.fields else replace(one, fields=fields))
    return left


def conflict_causes(conflicts: Conflicts) -> tuple[str, list[Tree]]:
    """The words of a conflict: the message, and a cause for each field."""
    found = [
        (_words(one.entry), path)
        for one in sorted(conflicts.found, key=lambda one: one.entry.key)
        for path in paths(one.fields)
    ]
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": path}
        for who, path in found
    ]
    if len(found) == 1:
        who, path = found[0]
        return f"Apply failed with 1 conflict: conflict with {who}: {path}", causes
    lines = []
    for who in dict.fromkeys(who for who, _ in found):
        lines.append(f"conflicts with {who}:")
        lines += [f"- {path}" for name, path in found if name == who]
    return f"Apply failed with {len(found)} conflicts: " + "\n".join(lines), causes


def _words(entry: Entry) -> str:
    words = f'"{entry.manager}"'
    if entry.subresource:
        words += f' with subresource "{entry.subresource}"'
    return words if entry.operation == APPLY else f"{words} using {entry.api_version}"
