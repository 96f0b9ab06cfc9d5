"""Who owns whom, as the watches of all kinds tell it. Pure.

A node is what the collector needs of an object, no more: hundreds of thousands fit. Edges are kept
from owner to dependents by uid, also for owners that were never seen. `put` and `remove` return the
uids whose situation may have changed.

Source of the rules: upstream's pkg/controller/garbagecollector (graph_builder).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from wherry.api.meta_v1 import ObjectMeta
from wherry.api.scheme import Resource

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


class Owner(NamedTuple):
    """An owner reference."""

    uid: str
    api_version: str
    kind: str
    name: str
    blocks: bool


@dataclass(frozen=True, slots=True)
class Node:
    """An object. deleting: it has a deletionTimestamp; foreground, orphan: those finalizers."""

    resource: Resource
    namespace: str
    name: str
    uid: str
    owners: tuple[Owner, ...]
    deleting: bool
    foreground: bool
    orphan: bool

    def is_meant_by(self, owner: Owner, namespace: str) -> bool:
        """Is it what the reference, on an object in `namespace`, says beside the uid?"""
        group = owner.api_version.rpartition("/")[0]
        return (self.resource.group, self.resource.kind, self.name) == (
            group, owner.kind, owner.name,
        ) and self.namespace in ("", namespace)  # fmt: skip

    @property
    def waits_for_dependents(self) -> bool:
        return self.deleting and self.foreground

    @property
    def orphans_dependents(self) -> bool:
        return self.deleting and self.orphan


def owners_of(metadata: ObjectMeta) -> tuple[Owner, ...]:
    return tuple(
        Owner(ref.uid, ref.api_version, ref.kind, ref.name, bool(ref.block_owner_deletion))
        for ref in metadata.owner_references
    )


def node_of(resource: Resource, metadata: ObjectMeta) -> Node:
    return Node(
        resource=resource,
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        owners=owners_of(metadata),
        deleting=metadata.deletion_timestamp is not None,
        foreground=FOREGROUND in metadata.finalizers,
        orphan=ORPHAN in metadata.finalizers,
    )


class Graph:
    """Nodes by uid, and dependents by their owners' uids."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._dependents: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def get(self, uid: str) -> Node | None:
        return self._nodes.get(uid)

    def doubtful(self) -> list[str]:
        """All uids that need a look, whatever happened before."""
        return [
            node.uid
            for node in self._nodes.values()
            if node.waits_for_dependents or node.orphans_dependents or self._is_doubtful(node)
        ]

    def dependents(self, uid: str) -> list[Node]:
        known = (self._nodes.get(one) for one in self._dependents.get(uid, ()))
        return [node for node in known if node is not None]

    def blocking(self, uid: str) -> list[Node]:
        """Dependents that a foreground deletion of this owner waits for."""
        return [
            node
            for node in self.dependents(uid)
            if any(owner.uid == uid and owner.blocks for owner in node.owners)
        ]

    def put(self, node: Node) -> set[str]:
        """Take in an object's new state."""
        before = self._nodes.get(node.uid)
        if before == node:
            return set()
        self._nodes[node.uid] = node
        affected: set[str] = set()
        old_owners = before.owners if before else ()
        for owner in old_owners:
            if owner not in node.owners:
                affected.add(owner.uid)  # it may have waited for this dependent
                if all(other.uid != owner.uid for other in node.owners):
                    self._unlink(owner.uid, node.uid)
        for owner in node.owners:
            self._dependents.setdefault(owner.uid, set()).add(node.uid)
        if node.owners != old_owners and self._is_doubtful(node):
            affected.add(node.uid)
        if (node.waits_for_dependents or node.orphans_dependents) and (
            before is None or not before.deleting
        ):
            affected.add(node.uid)
        return affected

    def _is_doubtful(self, node: Node) -> bool:
        """Has it an owner that is unknown, about to go, or not what the reference says?"""
        for owner in node.owners:
            known = self._nodes.get(owner.uid)
            if known is None or known.waits_for_dependents:
                return True
            if not known.is_meant_by(owner, node.namespace):
                return True
        return False

    def remove(self, uid: str) -> set[str]:
        """The object is gone: its dependents may go, owners that waited for it may go on."""
        node = self._nodes.pop(uid, None)
        affected = set(self._dependents.get(uid, ()))
        if node is not None:
            for owner in node.owners:
                self._unlink(owner.uid, uid)
                above = self._nodes.get(owner.uid)
                if above is not None and above.waits_for_dependents:
                    affected.add(owner.uid)
        return affected

    def _unlink(self, owner: str, dependent: str) -> None:
        group = self._dependents.get(owner)
        if group is not None:
            group.discard(dependent)
            if not group:
                del self._dependents[owner]
