"""managedFields: who last set which field of an object, tracked on every write.

`track` handles writes of whole objects (create, update, patch: operation `Update`). The manager gains
what it changed or added; everybody else loses that, and what vanished. An object whose owner reset
its managedFields stays untracked until somebody applies to it.

To call before admission changes the object, as upstream does: what admission or the server itself
fills in belongs to nobody. Server-side apply: `apply.py`.
Source: k8s.io/apimachinery/pkg/util/managedfields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from apiserver.codec.canonical import canonical
from apiserver.codec.field_sets import Node, difference, is_set, union
from apiserver.codec.ownership import compare_objects
from wherry.api.model import format_time, parse_time
from wherry.api.shape import Shape

MAX_UPDATE_MANAGERS: Final = 10  # beyond, the oldest are merged into one entry per version
ANCIENT: Final = "ancient-changes"
UPDATE: Final = "Update"
APPLY: Final = "Apply"
MAX_MANAGER_NAME: Final = 128
FIELDS_TYPE: Final = "FieldsV1"
_IDENTITY: Final = frozenset({"kind", "apiVersion"})
_MAIN_IGNORES: Final = _IDENTITY | {"status"}
_STATUS_IGNORES: Final = _IDENTITY | {"spec"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One manager's fields. `key` says whether two entries are the same manager's."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str
    fields: Node

    @property
    def key(self) -> tuple[str, str, str, str]:
        # an applier is the same one whichever version it applies by
        version = self.api_version if self.operation == UPDATE else ""
        return (self.manager, self.operation, version, self.subresource)

    def to_wire(self) -> dict[str, Any]:
        tree = {
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": FIELDS_TYPE,
            "fieldsV1": self.fields,
            "subresource": self.subresource,
        }
        return {name: value for name, value in tree.items() if value or name == "fieldsV1"}


def track(
    new: dict[str, Any],
    old: Mapping[str, Any] | None,
    shape: Shape,
    *,
    manager: str,
    operation: str = UPDATE,
    api_version: str,
    subresource: str = "",
    now: datetime,
) -> None:
    """Write `new["metadata"]["managedFields"]` for a write that makes `new` of `old` (None: create).

    Never fails: entries it cannot read are replaced by those of `old`.
    """
    metadata: dict[str, Any] = new["metadata"]
    sent = metadata.pop("managedFields", None)
    before = (old or {}).get("metadata", {}).get("managedFields") or []
    entries = _entries_to_start_from(sent, before, from_body=not subresource)
    if not entries and old is not None:
        return  # it was reset, or never tracked: only apply begins again
    live = old if old is not None else zero(shape)
    changed, removed = compare_objects(live, new, shape, ignored_by(subresource))
    if changed or removed:
        mine = Entry(
            printable(manager), operation, api_version, subresource, format_time(now), changed
        )
        entries = _cap(_handed_over(entries, mine, removed))
    if entries:
        metadata["managedFields"] = to_wire(entries)


def to_wire(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """The entries as the wire orders them: appliers first, each by time."""
    entries = list(entries)
    if len(entries) == 1:
        return [entries[0].to_wire()]
    return [entry.to_wire() for entry in sorted(entries, key=_order)]


def ignored_by(subresource: str) -> frozenset[str]:
    """The root fields that a write of this subresource (or of the main resource) can't own."""
    return _STATUS_IGNORES if subresource == "status" else _MAIN_IGNORES


def read_entries(tree: Mapping[str, Any]) -> list[Entry]:
    """The entries of a stored object; none when they can't be read."""
    return _read(tree.get("metadata", {}).get("managedFields") or []) or []


@cache  # bounded by the number of model classes
def zero(shape: Shape) -> Mapping[str, Any]:
    """What Go writes for an empty object: its fields are there before anybody sets them."""
    return canonical(shape.model, {})


def _entries_to_start_from(sent: Any, before: list[Any], *, from_body: bool) -> list[Entry]:
    """The body's entries when it has good ones (a client may edit them), else the stored ones."""
    if from_body and sent:
        if len(sent) == 1 and not sent[0]:
            return []
        entries = _read(sent)
        # What was stored was looked at when it came; most bodies bring just that back.
        if entries and (sent == before or all(is_set(entry.fields) for entry in entries)):
            return entries
    return _read(before) or []


def _read(trees: list[Any]) -> list[Entry] | None:
    """The entries of a wire list; None when one of them is not well-formed."""
    entries = []
    for tree in trees:
        fields = tree.get("fieldsV1")
        operation = tree.get("operation")
        known = operation in (UPDATE, APPLY) and tree.get("fieldsType") == FIELDS_TYPE
        if not known or not isinstance(fields, dict):
            return None
        entries.append(
            Entry(
                tree.get("manager", ""),
                operation,
                tree.get("apiVersion", ""),
                tree.get("subresource", ""),
                tree.get("time") or "",
                fields,
            )
        )
    return entries


def _handed_over(entries: list[Entry], mine: Entry, removed: Node) -> list[Entry]:
    """All entries after `mine.fields` went to its manager and `removed` went away."""
    gone = union(mine.fields, removed) if removed else mine.fields
    result = []
    for entry in entries:
        if entry.key == mine.key and mine.fields:
            kept = difference(entry.fields, removed) if removed else entry.fields
            mine = replace(mine, fields=union(kept, mine.fields))
            continue
        rest = difference(entry.fields, gone)
        if rest:
            result.append(entry if rest == entry.fields else replace(entry, fields=rest))
    return [*result, mine] if mine.fields else result


def _cap(entries: list[Entry]) -> list[Entry]:
    """Not too many: the oldest updates of each version share one entry."""
    if len(entries) <= MAX_UPDATE_MANAGERS:
        return entries
    updates = sorted(
        (entry for entry in entries if entry.operation == UPDATE),
        key=lambda entry: (_seconds(entry), entry.manager),
    )
    first: dict[str, Entry] = {}
    excess = len(updates) - MAX_UPDATE_MANAGERS
    for entry in updates:
        if excess <= 0:
            break
        oldest = first.get(entry.api_version)
        if oldest is None:
            first[entry.api_version] = entry
            continue
        bucket = Entry(
            ANCIENT, UPDATE, entry.api_version, "", entry.time,
            union(oldest.fields, entry.fields),
        )  # fmt: skip
        entries = [one for one in entries if one is not oldest and one is not entry] + [bucket]
        first[entry.api_version] = bucket
        excess -= 1
    return entries


def _seconds(entry: Entry) -> float:
    return parse_time(entry.time).astimezone(UTC).timestamp() if entry.time else 0.0


def _order(entry: Entry) -> tuple[Any, ...]:
    return (entry.operation, _seconds(entry), entry.manager, entry.api_version, entry.subresource)


def printable(manager: str) -> str:
    """A manager's name as upstream keeps it: printable, not too long, never empty."""
    if manager.isprintable() and 0 < len(manager) <= MAX_MANAGER_NAME:
        return manager
    name = "".join(char for char in manager if char.isprintable())[:MAX_MANAGER_NAME]
    return name or "unknown"
