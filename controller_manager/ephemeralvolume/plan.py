"""The claims behind a pod's generic ephemeral volumes. Pure.

A claim is named by pod and volume and owned by the pod, so it goes with it. One of that name that
somebody else made is never used: the pod waits, and an event says why.

Source of the rules and words: upstream's pkg/controller/volume/ephemeral and
k8s.io/component-helpers/storage/ephemeral.
"""

from __future__ import annotations

from collections.abc import Callable

from controller_manager import pods
from controller_manager.ownership import controller_of, controller_reference
from controller_manager.plan import NOTHING, Action, Create, Emit, Plan
from wherry.api.core_v1 import PersistentVolumeClaim, Pod, Volume
from wherry.api.meta_v1 import ObjectMeta
from wherry.api.volumes import ephemeral_claim

FAILED = "FailedBinding"


def has_ephemeral(pod: Pod) -> bool:
    return any(volume.ephemeral is not None for volume in pod.spec.volumes)


def plan_pod(pod: Pod | None, claim_of: Callable[[str], PersistentVolumeClaim | None]) -> Plan:
    """Claims that are missing. `claim_of` answers by name, in the pod's namespace.

    The first volume whose claim is another's ends the plan, as it ends upstream's: the pod cannot
    start anyway.
    """
    if pod is None or pods.is_terminating(pod):
        return NOTHING
    actions: list[Action] = []
    for volume in pod.spec.volumes:
        if volume.ephemeral is None:
            continue
        name = ephemeral_claim(pod.metadata.name, volume.name)
        known = claim_of(name)
        if known is None:
            actions.append(Create(new_claim(pod, volume)))
        elif not belongs_to(known, pod):
            actions.append(refused(pod, volume.name, not_ours(known, pod)))
            break
    return Plan(tuple(actions))


def new_claim(pod: Pod, volume: Volume) -> PersistentVolumeClaim:
    """The claim of an ephemeral volume, from its template."""
    template = volume.ephemeral.volume_claim_template if volume.ephemeral else None
    assert template is not None, "validated by the server"
    return PersistentVolumeClaim(
        metadata=ObjectMeta(
            name=ephemeral_claim(pod.metadata.name, volume.name),
            namespace=pod.metadata.namespace,
            labels=template.metadata.labels,
            annotations=template.metadata.annotations,
            owner_references=[controller_reference(pod)],
        ),
        spec=template.spec,
    )


def belongs_to(claim: PersistentVolumeClaim, pod: Pod) -> bool:
    reference = controller_of(claim.metadata)
    return reference is not None and reference.uid == pod.metadata.uid


def not_ours(claim: PersistentVolumeClaim, pod: Pod) -> str:
    where = claim.metadata
    return (
        f"PVC {where.namespace}/{where.name} was not created for pod "
        f"{pod.metadata.namespace}/{pod.metadata.name} (pod is not owner)"
    )


def refused(pod: Pod, volume: str, why: str) -> Emit:
    return Emit(pod, "Warning", FAILED, f"ephemeral volume {volume}: {why}")
