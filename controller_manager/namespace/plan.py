"""A terminating namespace's conditions, and whether it may go. Pure.

Source of the rules and words: upstream's pkg/controller/namespace/deletion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from controller_manager.plan import Plan, Update
from wherry.api.core_v1 import Namespace
from wherry.api.core_v1.namespace import NamespaceCondition

FINALIZER = "kubernetes"
RETRY_SECONDS_MIN = 1.0


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left of one resource: how many, and which finalizers hold how many of them."""

    resource: str  # as `pods.` or `deployments.apps`, upstream's form in messages
    count: int
    finalizers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one round of deleting went. grace_seconds: the longest any pod may still take."""

    remaining: Sequence[Remaining] = ()
    errors: Sequence[str] = ()
    stale_groups: Sequence[str] = ()
    grace_seconds: int = 0


def needs_work(namespace: Namespace) -> bool:
    return (
        namespace.metadata.deletion_timestamp is not None and FINALIZER in namespace.spec.finalizers
    )


def plan_namespace(namespace: Namespace, outcome: Outcome, now: datetime) -> Plan:
    """Write the conditions if they changed; release the namespace when it is empty."""
    conditions = merged(namespace.status.conditions, conditions_of(outcome), now)
    status = namespace.status.with_(phase="Terminating", conditions=conditions)
    updates = []
    if status != namespace.status:
        updates.append(Update(namespace.with_(status=status), subresource="status"))
    if outcome.errors or outcome.remaining or outcome.stale_groups:
        return Plan(tuple(updates), RETRY_SECONDS_MIN + outcome.grace_seconds / 2)
    left = [name for name in namespace.spec.finalizers if name != FINALIZER]
    released = namespace.with_(
        # Without a resourceVersion: the status was perhaps written just now, by us.
        metadata=namespace.metadata.with_(resource_version=""),
        spec=namespace.spec.with_(finalizers=left),
    )
    return Plan((*updates, Update(released, subresource="finalize")))


def conditions_of(outcome: Outcome) -> list[NamespaceCondition]:
    """The five conditions, in upstream's order, without times."""
    remaining = [one for one in outcome.remaining if one.count]
    held: dict[str, int] = {}
    for one in remaining:
        for name, count in one.finalizers.items():
            held[name] = held.get(name, 0) + count
    stale = ", ".join(outcome.stale_groups)
    return [
        _condition(
            "NamespaceDeletionDiscoveryFailure",
            bool(stale),
            ("DiscoveryFailed", f"Discovery failed for some groups, {len(outcome.stale_groups)} failing: {stale}"),
            ("ResourcesDiscovered", "All resources successfully discovered"),
        ),
        _condition(
            "NamespaceDeletionGroupVersionParsingFailure",
            False,
            ("GroupVersionParsingFailed", ""),
            ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
        ),
        _condition(
            "NamespaceDeletionContentFailure",
            bool(outcome.errors),
            ("ContentDeletionFailed", f"Failed to delete all resource types, {len(outcome.errors)} remaining: {_listed(outcome.errors)}"),
            ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
        ),
        _condition(
            "NamespaceContentRemaining",
            bool(remaining),
            ("SomeResourcesRemain", f"Some resources are remaining: {_counted(remaining)}"),
            ("ContentRemoved", "All content successfully removed"),
        ),
        _condition(
            "NamespaceFinalizersRemaining",
            bool(held),
            ("SomeFinalizersRemain", f"Some content in the namespace has finalizers remaining: {_held(held)}"),
            ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
        ),
    ]  # fmt: skip


def _listed(errors: Sequence[str]) -> str:
    return errors[0] if len(errors) == 1 else "[" + ", ".join(errors) + "]"


def _counted(remaining: Iterable[Remaining]) -> str:
    texts = (f"{one.resource} has {one.count} resource instances" for one in remaining)
    return ", ".join(sorted(texts))


def _held(finalizers: Mapping[str, int]) -> str:
    return ", ".join(
        f"{name} in {count} resource instances" for name, count in sorted(finalizers.items())
    )


def _condition(
    type_: str, failing: bool, bad: tuple[str, str], good: tuple[str, str]
) -> NamespaceCondition:
    reason, message = bad if failing else good
    return NamespaceCondition(
        type=type_, status="True" if failing else "False", reason=reason, message=message
    )


def merged(
    current: Sequence[NamespaceCondition], wanted: Sequence[NamespaceCondition], now: datetime
) -> list[NamespaceCondition]:
    """`wanted` beside foreign conditions; a time moves only when its condition changed."""
    before = {c.type: c for c in current}
    ours = {c.type for c in wanted}
    result = [c for c in current if c.type not in ours]
    for condition in wanted:
        old = before.get(condition.type)
        moment = now
        if old is not None and (old.status, old.reason, old.message) == (
            condition.status,
            condition.reason,
            condition.message,
        ):
            moment = old.last_transition_time or now
        result.append(condition.with_(last_transition_time=moment))
    order = [c.type for c in current]
    result.sort(key=lambda c: order.index(c.type) if c.type in order else len(order))
    return result
