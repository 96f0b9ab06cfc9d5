"""The objects an informer knows, by key and by index. Pure and synchronous.

Objects are frozen and shared: nobody may change what a store gives out. A change of UID under one
key (deleted and made anew between two looks) shows as one update; who cares compares UIDs.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic

from wherry.api.model import TypedModel
from wherry.client.decode import M

Index = Callable[[M], Iterable[str]]
Change = tuple[M | None, M | None]  # (before, after)


def meta_of(obj: TypedModel) -> Any:
    """An object's ObjectMeta."""
    return obj.metadata  # type: ignore[attr-defined]  # every stored kind has it; TypedModel also covers reviews


def key_of(obj: TypedModel) -> str:
    """`namespace/name`, or just `name` of a cluster-scoped object."""
    meta = meta_of(obj)
    return f"{meta.namespace}/{meta.name}" if meta.namespace else str(meta.name)


def split_key(key: str) -> tuple[str, str]:
    """(namespace, name) of a key."""
    namespace, _, name = key.rpartition("/")
    return namespace, name


class Store(Generic[M]):
    """Objects by key, by namespace and by the given indexes."""

    def __init__(self, indexers: Mapping[str, Index[M]] | None = None) -> None:
        self._indexers = dict(indexers or {})
        self._objects: dict[str, M] = {}
        self._namespaces: dict[str, dict[str, M]] = {}
        self._indexes: dict[str, dict[str, dict[str, M]]] = {name: {} for name in self._indexers}

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, namespace: str, name: str) -> M | None:
        return self._objects.get(f"{namespace}/{name}" if namespace else name)

    def list(self, namespace: str = "") -> builtins.list[M]:
        """All objects, or those of a namespace."""
        if namespace:
            return [*self._namespaces.get(namespace, {}).values()]
        return [*self._objects.values()]

    def by_index(self, index: str, value: str) -> builtins.list[M]:
        return [*self._indexes[index].get(value, {}).values()]

    def put(self, obj: M) -> M | None:
        """Take the object in; what was there before."""
        key = key_of(obj)
        before = self._objects.get(key)
        if before is not None:
            self._unindex(key, before)
        self._objects[key] = obj
        namespace = meta_of(obj).namespace
        if namespace:
            self._namespaces.setdefault(namespace, {})[key] = obj
        for name, index in self._indexers.items():
            for value in index(obj):
                self._indexes[name].setdefault(value, {})[key] = obj
        return before

    def remove(self, key: str) -> M | None:
        """Drop the object of this key; what was there."""
        before = self._objects.pop(key, None)
        if before is not None:
            self._unindex(key, before)
            group = self._namespaces.get(meta_of(before).namespace)
            if group is not None:
                group.pop(key, None)
                if not group:
                    del self._namespaces[meta_of(before).namespace]
        return before

    def replace(self, objects: Iterable[M]) -> builtins.list[Change[M]]:
        """Make these the only objects; the differences, deletions first."""
        fresh = {key_of(obj): obj for obj in objects}
        changes: builtins.list[Change[M]] = [
            (self.remove(key), None) for key in [*self._objects] if key not in fresh
        ]
        for obj in fresh.values():
            before = self.put(obj)
            if before is None or not same_revision(before, obj):
                changes.append((before, obj))
        return changes

    def _unindex(self, key: str, obj: M) -> None:
        for name, index in self._indexers.items():
            groups = self._indexes[name]
            for value in index(obj):
                group = groups.get(value)
                if group is not None:
                    group.pop(key, None)
                    if not group:
                        del groups[value]


def same_revision(before: TypedModel, after: TypedModel) -> bool:
    """Whether both are the same state of the same object."""
    old, new = meta_of(before), meta_of(after)
    return bool(old.resource_version == new.resource_version and old.uid == new.uid)
