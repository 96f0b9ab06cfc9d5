"""The claims of a StatefulSet's pods: made before the pod, kept or let go as the policy says. Pure.

A claim that shall go is given an owner and is then collected with it: the set (`whenDeleted`), or
the pod that leaves when the set shrinks (`whenScaled`).

Source of the rules: upstream's pkg/controller/statefulset (claimOwnerMatchesSetAndPod).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from controller_manager.ownership import controller_reference
from controller_manager.plan import Create, Patch
from controller_manager.statefulset.identity import claim_name, ordinal_of, ordinals_of, pod_name
from wherry.api.apps_v1 import StatefulSet
from wherry.api.core_v1 import PersistentVolumeClaim, Pod
from wherry.api.meta_v1 import ObjectMeta, OwnerReference

Claims = Mapping[str, PersistentVolumeClaim]  # those of the set's namespace, by name

DELETE = "Delete"


def wanted(stateful_set: StatefulSet, ordinal: int) -> Iterator[PersistentVolumeClaim]:
    """The claims that the ordinal's pod mounts."""
    selector = stateful_set.spec.selector
    more = selector.match_labels if selector else {}
    for template in stateful_set.spec.volume_claim_templates:
        metadata = template.metadata
        yield PersistentVolumeClaim(
            metadata=ObjectMeta(
                name=claim_name(stateful_set, template, ordinal),
                namespace=stateful_set.metadata.namespace,
                labels={**metadata.labels, **more},
                annotations=metadata.annotations,
                finalizers=metadata.finalizers,
                owner_references=_owners(stateful_set, None),
            ),
            spec=template.spec,
        )


def missing(stateful_set: StatefulSet, ordinal: int, claims: Claims) -> list[Create]:
    """Creations of the claims that are not there."""
    return [
        Create(claim, exists_ok=True)
        for claim in wanted(stateful_set, ordinal)
        if claim.metadata.name not in claims
    ]


def are_going(stateful_set: StatefulSet, ordinal: int, claims: Claims) -> bool:
    """Does one of the ordinal's claims go, itself or with an earlier pod that owned it?

    A pod made now would lose it.
    """
    name = pod_name(stateful_set, ordinal)
    for claim in wanted(stateful_set, ordinal):
        known = claims.get(claim.metadata.name)
        if known is None:
            continue
        references = known.metadata.owner_references
        if any(ref.kind == "Pod" and ref.name == name for ref in references):
            return True
        if known.metadata.deletion_timestamp is not None:
            return True
    return False


def policies(stateful_set: StatefulSet) -> tuple[bool, bool]:
    """Do claims go with the set? Do they go when it shrinks?"""
    policy = stateful_set.spec.persistent_volume_claim_retention_policy
    if policy is None:
        return False, False
    return policy.when_deleted == DELETE, policy.when_scaled == DELETE


def _owners(stateful_set: StatefulSet, leaving: Pod | None) -> list[OwnerReference]:
    """Who a claim goes with; `leaving`: its pod, when the set has shrunk below it."""
    with_set, when_scaled = policies(stateful_set)
    if leaving is not None and when_scaled:
        return [controller_reference(leaving)]
    return [controller_reference(stateful_set)] if with_set else []


def retention(stateful_set: StatefulSet, pod: Pod, claims: Claims) -> list[Patch]:
    """What brings the owners of the pod's claims in line with the policy."""
    ordinal = ordinal_of(stateful_set, pod)
    if ordinal is None:
        return []
    leaving = None if ordinal in ordinals_of(stateful_set) else pod
    patches = []
    for claim in wanted(stateful_set, ordinal):
        known = claims.get(claim.metadata.name)
        if known is None or known.metadata.deletion_timestamp is not None:
            continue
        references = known.metadata.owner_references
        others = [ref for ref in references if not _ours(ref, stateful_set, pod)]
        owners = _owners(stateful_set, leaving)
        if any(ref.controller for ref in others):
            owners = []  # somebody else decides about this claim
        if {ref.uid for ref in references} == {ref.uid for ref in (*others, *owners)}:
            continue
        written = [ref.to_wire() for ref in (*others, *owners)]
        metadata = {"uid": known.metadata.uid, "ownerReferences": written}
        where = known.metadata
        patches.append(
            Patch(
                PersistentVolumeClaim, where.namespace, where.name, {"metadata": metadata}, "merge"
            )
        )
    return patches


def _ours(reference: OwnerReference, stateful_set: StatefulSet, pod: Pod) -> bool:
    """Written by us: the set itself, or this pod's name, also of an earlier pod."""
    if reference.uid == stateful_set.metadata.uid:
        return True
    return reference.kind == "Pod" and reference.name == pod.metadata.name
