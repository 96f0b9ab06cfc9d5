"""What deleting an object means: vanish now, be marked and wait, or nothing new. Pure.

An object waits for its grace period (pods: a kubelet ends it), for its finalizers, and a namespace
for the controller that empties it. Waiting objects carry `deletionTimestamp`; it never goes away again.

Source: k8s.io/apiserver/pkg/registry/rest/delete.go and registry/generic/registry/store.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from apiserver.registry.strategy import Strategy, Tree
from wherry.api.errors import ApiError, conflict
from wherry.api.model import format_time, parse_time
from wherry.api.patch import copy_tree
from wherry.api.scheme import Resource

ORPHAN_FINALIZER = "orphan"
FOREGROUND_FINALIZER = "foregroundDeletion"
# Core kinds that answer a deletion with the object instead of a Status.
_ANSWER_WITH_OBJECT = frozenset(
    {
        "persistentvolumeclaims", "persistentvolumes", "pods", "podtemplates", "resourcequotas",
        "serviceaccounts", "services",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """metav1.DeleteOptions, checked. `orphan` is the old form of `propagation`."""

    grace_period_seconds: int | None = None
    propagation: str = ""
    orphan: bool | None = None
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False


class Mark(NamedTuple):
    """Write this: the object stays until somebody finishes the deletion."""

    tree: Tree


class Remove(NamedTuple):
    """Take it out of the store; this was its last state."""

    tree: Tree


class Pending(NamedTuple):
    """It is being deleted already; nothing changes."""

    tree: Mapping[str, Any]


Plan = Mark | Remove | Pending


def answers_with_object(resource: Resource) -> bool:
    """Whether a finished deletion answers with the object; else with a Status."""
    return not resource.group and resource.plural in _ANSWER_WITH_OBJECT


def check_preconditions(
    resource: Resource, old: Mapping[str, Any], uid: str, resource_version: str
) -> None:
    """ApiError 409 when the object is not the one that was meant."""
    metadata = old["metadata"]
    if uid and uid != metadata.get("uid"):
        raise _precondition(resource, metadata, "UID", uid, metadata.get("uid", ""))
    if resource_version and resource_version != metadata.get("resourceVersion"):
        raise _precondition(
            resource, metadata, "ResourceVersion", resource_version,
            metadata.get("resourceVersion", ""),
        )  # fmt: skip


def _precondition(
    resource: Resource, metadata: Mapping[str, Any], what: str, wanted: str, found: str
) -> ApiError:
    why = f"Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}"
    return conflict(resource.qualified_name, metadata["name"], why)


def plan_delete(
    strategy: Strategy, old: Mapping[str, Any], options: DeleteOptions, now: datetime
) -> Plan:
    """What this deletion does to an object in this state."""
    if _is_namespace(strategy.resource):
        return _plan_namespace(old, now)
    tree: Tree = copy_tree(old)
    metadata = tree["metadata"]
    grace = 0
    if strategy.has_grace_period:
        if metadata.get("deletionTimestamp"):
            if (current := metadata.get("deletionGracePeriodSeconds")) is not None:
                asked = options.grace_period_seconds
                if asked is None or max(asked, 0 if asked == 0 else 1) >= current > 0:
                    return Pending(old)
                grace = _shorten(metadata, current, asked)
        else:
            grace = strategy.grace_period(old, options.grace_period_seconds)
            _mark(metadata, now, grace)
    finalizers = _finalizers(
        metadata.get("finalizers") or (), options, strategy.default_propagation
    )
    if finalizers != (metadata.get("finalizers") or []):
        metadata["finalizers"] = finalizers
    waiting = bool(metadata.get("finalizers"))
    if waiting and not grace:
        if old["metadata"].get("deletionGracePeriodSeconds") == 0 and metadata == old["metadata"]:
            return Pending(old)
        _mark_now(metadata, now)
    if metadata.get("finalizers") == []:
        del metadata["finalizers"]
    return Mark(tree) if grace or waiting else Remove(tree)


def _shorten(metadata: Tree, current: int, asked: int) -> int:
    """A pending deletion may only become sooner."""
    period = min(current, max(asked, 0 if asked == 0 else 1))
    end = parse_time(metadata["deletionTimestamp"]) - timedelta(seconds=current - period)
    metadata["deletionTimestamp"] = format_time(end)
    metadata["deletionGracePeriodSeconds"] = period
    return period


def _mark(metadata: Tree, now: datetime, grace: int) -> None:
    metadata["deletionTimestamp"] = format_time(now + timedelta(seconds=grace))
    metadata["deletionGracePeriodSeconds"] = grace
    if metadata.get("generation"):
        metadata["generation"] += 1


def _mark_now(metadata: Tree, now: datetime) -> None:
    """For objects that wait for finalizers only."""
    found = metadata.get("deletionTimestamp")
    if found is None and metadata.get("generation"):
        metadata["generation"] += 1
    if found is None or parse_time(found) > now:
        metadata["deletionTimestamp"] = format_time(now)
    metadata["deletionGracePeriodSeconds"] = 0


def _finalizers(found: list[str] | tuple[()], options: DeleteOptions, default: str) -> list[str]:
    """The finalizers the garbage collector is to see, by propagation policy."""
    policy = options.propagation
    if options.orphan is not None:
        policy = "Orphan" if options.orphan else "Background"
    if not policy and not {ORPHAN_FINALIZER, FOREGROUND_FINALIZER} & set(found):
        policy = default
    orphan = policy == "Orphan" or (not policy and ORPHAN_FINALIZER in found)
    foreground = policy == "Foreground" or (not policy and FOREGROUND_FINALIZER in found)
    kept = [one for one in found if one not in (ORPHAN_FINALIZER, FOREGROUND_FINALIZER)]
    if orphan:
        kept.append(ORPHAN_FINALIZER)
    if foreground:
        kept.append(FOREGROUND_FINALIZER)
    same = sorted(kept) == sorted(found)
    return list(found) if same else kept


def _is_namespace(resource: Resource) -> bool:
    return resource.plural == "namespaces" and not resource.group


def _plan_namespace(old: Mapping[str, Any], now: datetime) -> Plan:
    tree: Tree = copy_tree(old)
    if not old["metadata"].get("deletionTimestamp"):
        tree["metadata"]["deletionTimestamp"] = format_time(now)
        tree["status"] = {**(tree.get("status") or {}), "phase": "Terminating"}
        return Mark(tree)
    if (old.get("spec") or {}).get("finalizers") or old["metadata"].get("finalizers"):
        return Pending(old)
    return Remove(tree)


def ends_with_update(resource: Resource, tree: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """Whether an update took the last thing a deletion was waiting for."""
    before = old["metadata"]
    if tree["metadata"].get("finalizers") or not before.get("deletionTimestamp"):
        return False
    if _is_namespace(resource):
        return not (tree.get("spec") or {}).get("finalizers")
    return bool(before.get("deletionGracePeriodSeconds") == 0)
