"""Who still uses a claim, a volume, a class of volume attributes: whether its protection may go.

Admission gives each new object a finalizer; a deleted one stays until nobody uses it.

Source of the rules: upstream's pkg/controller/volume/{pvcprotection,pvprotection,vacprotection}.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from controller_manager import pods
from controller_manager.plan import NOTHING, Patch, Plan
from wherry.api.core_v1 import PersistentVolume, PersistentVolumeClaim, Pod, Volume
from wherry.api.model import TypedModel
from wherry.api.storage_v1 import VolumeAttributesClass
from wherry.api.volumes import ephemeral_claim
from wherry.client.store import meta_of

CLAIM_FINALIZER = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER = "kubernetes.io/pv-protection"
CLASS_FINALIZER = "kubernetes.io/vac-protection"


def claims_of(pod: Pod) -> list[str]:
    """The keys of the claims that a pod mounts, or will when it has a node."""
    if pods.is_terminal(pod):
        return []
    namespace = pod.metadata.namespace
    names = (_claim_of(pod, volume) for volume in pod.spec.volumes)
    return [f"{namespace}/{name}" for name in names if name]


def _claim_of(pod: Pod, volume: Volume) -> str:
    if volume.persistent_volume_claim is not None:
        return volume.persistent_volume_claim.claim_name
    return ephemeral_claim(pod.metadata.name, volume.name) if volume.ephemeral is not None else ""


def plan_claim(claim: PersistentVolumeClaim | None, pods_of_claim: Sequence[Pod]) -> Plan:
    """Let a deleted claim go once no pod on a node uses it."""
    if claim is None or any(pod.spec.node_name for pod in pods_of_claim):
        return NOTHING
    return _release(claim, CLAIM_FINALIZER)


def plan_volume(volume: PersistentVolume | None) -> Plan:
    """Let a deleted volume go once it is bound no more."""
    if volume is None or volume.status.phase == "Bound":
        return NOTHING
    return _release(volume, VOLUME_FINALIZER)


def plan_class(
    found: VolumeAttributesClass | None,
    claims: Iterable[PersistentVolumeClaim],
    volumes: Iterable[PersistentVolume],
) -> Plan:
    """Let a deleted class go once no claim and no volume names it."""
    if found is None:
        return NOTHING
    name = found.metadata.name
    used = any(
        name in (claim.spec.volume_attributes_class_name, _current(claim)) for claim in claims
    )
    if used or any(v.spec.volume_attributes_class_name == name for v in volumes):
        return NOTHING
    return _release(found, CLASS_FINALIZER)


def _current(claim: PersistentVolumeClaim) -> str | None:
    return claim.status.current_volume_attributes_class_name


def _release(obj: TypedModel, finalizer: str) -> Plan:
    metadata = meta_of(obj)
    if metadata.deletion_timestamp is None or finalizer not in metadata.finalizers:
        return NOTHING
    left = [one for one in metadata.finalizers if one != finalizer]
    patch = {"metadata": {"resourceVersion": metadata.resource_version, "finalizers": left}}
    return Plan((Patch(type(obj), metadata.namespace, metadata.name, patch, type="merge"),))
