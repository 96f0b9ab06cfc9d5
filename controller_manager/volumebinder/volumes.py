"""What becomes of a volume: free, bound, or left by its claim and then kept or deleted. Pure.

Source: upstream's pkg/controller/volume/persistentvolume/pv_controller.go (syncVolume, reclaimVolume).
"""

from __future__ import annotations

from dataclasses import dataclass

from controller_manager.plan import Action, Emit, Patch
from controller_manager.volumebinder.claims import volume_phase
from wherry.api.core_v1 import PersistentVolume, PersistentVolumeClaim
from wherry.api.volumes import BOUND_BY_CONTROLLER, LOCAL_PATH, PROVISIONED_BY


@dataclass(frozen=True, slots=True)
class VolumePlan:
    """`reclaim`: our own provisioner is to delete what lies behind it, then the volume."""

    actions: tuple[Action, ...] = ()
    reclaim: bool = False


def plan_volume(volume: PersistentVolume, claim: PersistentVolumeClaim | None) -> VolumePlan:
    """`claim`: the very one the volume refers to, None when it is gone or there is none."""
    reference = volume.spec.claim_ref
    if reference is None or not reference.uid:
        return VolumePlan(tuple(volume_phase(volume, "Available")))
    if claim is None or claim.metadata.uid != reference.uid:
        return _left(volume)
    if claim.spec.volume_name == volume.metadata.name:
        return VolumePlan(tuple(volume_phase(volume, "Bound")))
    if not claim.spec.volume_name:
        return VolumePlan()  # half bound: the claim's plan goes on
    if _is_ours(volume) and volume.spec.persistent_volume_reclaim_policy == "Delete":
        return _left(volume)  # made for a claim that took another one
    return VolumePlan((_free(volume),))


def _left(volume: PersistentVolume) -> VolumePlan:
    """Its claim is gone."""
    released = tuple(volume_phase(volume, "Released")) if volume.status.phase != "Failed" else ()
    match volume.spec.persistent_volume_reclaim_policy:
        case "Delete" if _is_ours(volume):
            return VolumePlan(released, reclaim=True)
        case "Delete" if volume.metadata.annotations.get(PROVISIONED_BY):
            return VolumePlan(released)  # its own provisioner deletes it
        case "Delete":
            return _failed(volume, "VolumeFailedDelete", _why_not_deleted(volume))
        case "Recycle":
            words = "No recycler plugin found for the volume!"
            return _failed(volume, "VolumeFailedRecycle", words)
        case _:
            return VolumePlan(released)


def _why_not_deleted(volume: PersistentVolume) -> str:
    path = volume.spec.host_path.path if volume.spec.host_path is not None else ""
    if path and not path.startswith("/tmp/"):  # upstream's own example of a safe place
        return f"host_path deleter only supports /tmp/.+ but received provided {path}"
    name = volume.metadata.name
    return f'error getting deleter volume plugin for volume "{name}": no deletable volume plugin matched'


def _failed(volume: PersistentVolume, reason: str, message: str) -> VolumePlan:
    if (volume.status.phase, volume.status.message) == ("Failed", message):
        return VolumePlan()
    told = volume_phase(volume, "Failed", message)
    return VolumePlan((*told, Emit(volume, "Warning", reason, message)))


def _free(volume: PersistentVolume) -> Patch:
    """Undo a binding that the claim never took up."""
    change = {
        "metadata": {
            "resourceVersion": volume.metadata.resource_version,
            "annotations": {BOUND_BY_CONTROLLER: None},
        },
        "spec": {"claimRef": None},
    }
    return Patch(PersistentVolume, "", volume.metadata.name, change, "merge")


def _is_ours(volume: PersistentVolume) -> bool:
    return volume.metadata.annotations.get(PROVISIONED_BY) == LOCAL_PATH
