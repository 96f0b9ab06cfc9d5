"""ControllerRevisions: the templates a DaemonSet or StatefulSet has had, numbered. Pure.

The revision of the present template is found by comparing templates, never by its name, so a hash
that changes between versions of this program starts no rollout. Going back to an older template
gives its revision the highest number again. kubectl's `rollout history` and `undo` read these.

Source of the rules and forms: upstream's pkg/controller/history and pkg/controller/daemon.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from controller_manager.deployment.replicasets import template_hash
from controller_manager.ownership import controller_reference, metadata_of
from controller_manager.plan import Action, Create, Delete, Update
from wherry.api.apps_v1 import ControllerRevision, DaemonSet, StatefulSet
from wherry.api.core_v1 import PodTemplateSpec
from wherry.api.meta_v1 import ObjectMeta
from wherry.api.shape import Shape, shape_of

HASH = "controller-revision-hash"
HASH_OF_REVISION = "controller.kubernetes.io/hash"  # on the revisions of StatefulSets
GENERATION = "deprecated.daemonset.template.generation"
DEFAULT_LIMIT = 10

Workload = DaemonSet | StatefulSet


@dataclass(frozen=True, slots=True)
class History:
    """current: the revision of the present template. old: the others, by number. actions: what
    makes it so. collided: the name is taken by another template; try again with a higher count."""

    current: ControllerRevision
    old: tuple[ControllerRevision, ...]
    actions: tuple[Action, ...] = ()
    collided: bool = False


def name_of_new(owner: Workload) -> str:
    """The name a revision of the present template would get."""
    suffix = template_hash(owner.spec.template, owner.status.collision_count)
    return f"{owner.metadata.name}-{suffix}"


def template_of(revision: ControllerRevision) -> PodTemplateSpec | None:
    """The template that was kept; None when the data is not of that form."""
    spec = (revision.data or {}).get("spec")
    template = spec.get("template") if isinstance(spec, dict) else None
    if not isinstance(template, dict):
        return None
    return PodTemplateSpec.from_wire({k: v for k, v in template.items() if k != "$patch"})


def by_number(revisions: Iterable[ControllerRevision]) -> list[ControllerRevision]:
    return sorted(revisions, key=lambda one: (one.revision, _created(one), one.metadata.name))


def _created(revision: ControllerRevision) -> float:
    created = revision.metadata.creation_timestamp
    return created.timestamp() if created else 0.0


def plan_history(
    owner: Workload,
    revisions: Sequence[ControllerRevision],
    occupant: ControllerRevision | None,
    labels: dict[str, str],
) -> History:
    """`revisions`: those the owner controls. `occupant`: whoever has the name of a new one.

    `labels` go onto a new revision, beside its hash.
    """
    ordered = by_number(revisions)
    equal = [one for one in ordered if template_of(one) == owner.spec.template]
    if equal:
        current = equal[-1]
        old = [one for one in ordered if one is not current]
        number = max((one.revision for one in old), default=0) + 1
        if current.revision >= number:
            return History(current, tuple(old))
        current = current.with_(revision=number)
        return History(current, tuple(old), (Update(current),))
    number = max((one.revision for one in ordered), default=0) + 1
    made = new_revision(owner, number, labels)
    if occupant is not None:
        return History(made, tuple(ordered), collided=True)
    return History(made, tuple(ordered), (Create(made),))


def new_revision(owner: Workload, number: int, labels: dict[str, str]) -> ControllerRevision:
    """A snapshot of the owner's template."""
    name = name_of_new(owner)
    suffix = name.removeprefix(f"{owner.metadata.name}-")
    notes = {k: v for k, v in owner.metadata.annotations.items() if k != GENERATION}
    template = _whole(shape_of(PodTemplateSpec), owner.spec.template.to_wire())
    data = {"spec": {"template": {**template, "$patch": "replace"}}}
    return ControllerRevision(
        metadata=ObjectMeta(
            name=name,
            namespace=owner.metadata.namespace,
            labels={**labels, _hash_label(owner): suffix},
            annotations=notes,
            owner_references=[controller_reference(owner)],
        ),
        # kubectl finds out byte by byte whether a revision is the present one
        data=orjson.loads(orjson.dumps(data, option=orjson.OPT_SORT_KEYS)),
        revision=number,
    )


def _whole(shape: Shape, tree: dict[str, Any]) -> dict[str, Any]:
    """A tree with the empty structs that Go writes for it."""
    whole = dict(tree)
    for wire, field in shape.fields.items():
        child, value = field.child, whole.get(wire)
        if child is None:
            continue
        if field.kind == "struct":
            if value is not None or not (field.pointer or field.traits.zero == "omitzero"):
                whole[wire] = _whole(child, value or {})
        elif isinstance(value, list):
            whole[wire] = [_whole(child, one) for one in value]
        elif isinstance(value, dict):
            whole[wire] = {key: _whole(child, one) for key, one in value.items()}
    return whole


def _hash_label(owner: Workload) -> str:
    return HASH_OF_REVISION if isinstance(owner, StatefulSet) else HASH


def plan_clean_up(
    owner: Workload, old: Sequence[ControllerRevision], in_use: Collection[str] = ()
) -> list[Delete]:
    """The oldest revisions beyond the limit; those `in_use`, by name, count and stay.

    That is upstream's rule for DaemonSets; for StatefulSets it does not count those in use at all.
    """
    limit = owner.spec.revision_history_limit
    surplus = len(old) - (DEFAULT_LIMIT if limit is None else limit)
    idle = [one for one in by_number(old) if one.metadata.name not in in_use]
    return [
        Delete(ControllerRevision, one.metadata.namespace, one.metadata.name, one.metadata.uid)
        for one in idle[: max(0, surplus)]
    ]


def hash_of(revision: ControllerRevision) -> str:
    """What a DaemonSet's pods of the revision carry."""
    return metadata_of(revision).labels.get(HASH, "")
