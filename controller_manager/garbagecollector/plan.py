"""What becomes of an object whose owners changed. Pure.

Source of the rules: upstream's pkg/controller/garbagecollector (attemptToDeleteItem).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from controller_manager.garbagecollector.graph import FOREGROUND, ORPHAN, Node, Owner
from wherry.api.core_v1 import ObjectReference
from wherry.api.meta_v1 import ObjectMeta


class State(Enum):
    """An owner, as far as a dependent is concerned."""

    SOLID = "it exists"
    ABSENT = "it does not exist"
    WAITING = "it is deleted in the foreground and waits for its dependents"


@dataclass(frozen=True, slots=True)
class Keep:
    """Leave the object; drop the references to these owners (none: nothing to do)."""

    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete the object. unblock: first let its owners go without waiting (a circle)."""

    policy: str
    unblock: bool = False


def decide(
    metadata: ObjectMeta,
    states: Mapping[str, State],
    has_dependents: bool,
    dependents_wait: bool,
) -> Keep | Remove:
    """`metadata` is the object as the server has it; `states` its owners by uid.

    dependents_wait: some dependent of it waits for its own dependents (then there may be a circle).
    """
    owners = [ref.uid for ref in metadata.owner_references]
    if not owners:
        return Keep()
    solid = [uid for uid in owners if states[uid] is State.SOLID]
    if solid:
        return Keep(tuple(uid for uid in owners if uid not in solid))
    if any(states[uid] is State.WAITING for uid in owners) and has_dependents:
        return Remove("Foreground", unblock=dependents_wait)
    if ORPHAN in metadata.finalizers:
        return Remove("Orphan")
    if FOREGROUND in metadata.finalizers:
        return Remove("Foreground")
    return Remove("Background")


def guarded(metadata: ObjectMeta, changes: Mapping[str, Any]) -> dict[str, Any]:
    """A merge patch of metadata that only applies to this very state of the object.

    Lists are replaced whole, so they must be computed from the state that is replaced.
    """
    return {
        "metadata": {"resourceVersion": metadata.resource_version, "uid": metadata.uid, **changes}
    }


def without_owners(metadata: ObjectMeta, uids: Sequence[str]) -> dict[str, Any]:
    kept = [ref.to_wire() for ref in metadata.owner_references if ref.uid not in uids]
    return guarded(metadata, {"ownerReferences": kept})


def unblocked(metadata: ObjectMeta) -> dict[str, Any]:
    refs = [ref.with_(block_owner_deletion=False).to_wire() for ref in metadata.owner_references]
    return guarded(metadata, {"ownerReferences": refs})


def without_finalizer(metadata: ObjectMeta, finalizer: str) -> dict[str, Any]:
    kept = [name for name in metadata.finalizers if name != finalizer]
    return guarded(metadata, {"finalizers": kept})


def owner_namespace(owner_is_namespaced: bool, dependent_namespace: str) -> str | None:
    """Where to look for an owner; None when the reference cannot be resolved.

    A cluster-scoped object cannot have a namespaced owner: which namespace's would it be?
    """
    if not owner_is_namespaced:
        return ""
    return dependent_namespace or None


def owner_key(owner: Owner) -> tuple[str, str]:
    """(group, kind) of a reference."""
    group, _, _ = owner.api_version.rpartition("/")
    return group, owner.kind


def wrong_namespace(node: Node, owner: Owner) -> tuple[ObjectReference, str, str, str]:
    """The event about an object whose owner lives in another namespace: it will be collected."""
    about = ObjectReference(
        kind=node.resource.kind,
        api_version=node.resource.gvk.api_version,
        namespace=node.namespace,
        name=node.name,
        uid=node.uid,
    )
    whom = f"{owner.api_version}/{owner.kind}, namespace: {node.namespace}, name: {owner.name}"
    message = f'ownerRef [{whom}, uid: {owner.uid}] does not exist in namespace "{node.namespace}"'
    return about, "Warning", "OwnerRefInvalidNamespace", message
