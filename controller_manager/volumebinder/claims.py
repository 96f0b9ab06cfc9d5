"""What becomes of a claim: it waits, is bound, or has lost its volume. Pure.

Binding is four writes, volume first; each may be repeated, so that whoever takes over finishes it:

    volume.claimRef ─► volume Bound ─► claim.volumeName ─► claim Bound

Source: upstream's pkg/controller/volume/persistentvolume/pv_controller.go (syncClaim, bind).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from controller_manager.plan import Action, Emit, Patch
from wherry.api import volume_match as match
from wherry.api.core_v1 import PersistentVolume, PersistentVolumeClaim
from wherry.api.storage_v1 import StorageClass
from wherry.api.volumes import (
    BETA_PROVISIONER,
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    LOCAL_PATH,
    NO_PROVISIONER,
    PROVISIONER,
    SELECTED_NODE,
    WAIT_FOR_FIRST_CONSUMER,
    class_of_claim,
    is_claimed_by,
    reservation,
)


@dataclass(frozen=True, slots=True)
class Seen:
    """volume: the one the claim names; candidates: all; storage_class: the claim's, if there.
    unplaced: names of pods that mount it and have no node yet."""

    claim: PersistentVolumeClaim
    volume: PersistentVolume | None
    candidates: Sequence[PersistentVolume] = field(default=())
    storage_class: StorageClass | None = None
    unplaced: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ClaimPlan:
    """`provision`: our own provisioner is to make a volume on the selected node."""

    actions: tuple[Action, ...] = ()
    provision: bool = False


def plan_claim(seen: Seen) -> ClaimPlan:
    claim = seen.claim
    if claim.metadata.deletion_timestamp is not None:
        return ClaimPlan()
    if BIND_COMPLETED in claim.metadata.annotations:
        return ClaimPlan(tuple(_keep_bound(seen)))
    if claim.spec.volume_name:
        return ClaimPlan(tuple(_bind_named(seen)))
    delayed = (
        seen.storage_class is not None
        and seen.storage_class.volume_binding_mode == WAIT_FOR_FIRST_CONSUMER
        and SELECTED_NODE not in claim.metadata.annotations
    )
    found = match.find(claim, seen.candidates, only_reserved=delayed)
    if found is not None:
        return ClaimPlan(tuple(bind(found, claim)))
    if delayed and seen.unplaced:
        what = "pods" if len(seen.unplaced) > 1 else "pod"
        text = f"waiting for {what} {','.join(seen.unplaced)} to be scheduled"
        return _waiting(claim, "Normal", "WaitForPodScheduled", text)
    if delayed:
        text = "waiting for first consumer to be created before binding"
        return _waiting(claim, "Normal", "WaitForFirstConsumer", text)
    return _provision(seen)


def _waiting(
    claim: PersistentVolumeClaim, type_: Literal["Normal", "Warning"], reason: str, text: str,
    *more: Action,
) -> ClaimPlan:  # fmt: skip
    return ClaimPlan((*_phase(claim, "Pending"), *more, Emit(claim, type_, reason, text)))


def _provision(seen: Seen) -> ClaimPlan:
    claim, name = seen.claim, class_of_claim(seen.claim)
    if not name:
        text = "no persistent volumes available for this claim and no storage class is set"
        return _waiting(claim, "Normal", "FailedBinding", text)
    if seen.storage_class is None:
        text = f'storageclass.storage.k8s.io "{name}" not found'
        return _waiting(claim, "Warning", "ProvisioningFailed", text)
    provisioner = seen.storage_class.provisioner
    if provisioner == NO_PROVISIONER:
        text = f"no volume plugin matched name: {provisioner}"
        return _waiting(claim, "Warning", "ProvisioningFailed", text)
    wanted = {PROVISIONER: provisioner, BETA_PROVISIONER: provisioner}
    annotations = claim.metadata.annotations
    marks: list[Action] = []
    if any(annotations.get(key) != value for key, value in wanted.items()):
        marks = [_patch(claim, {"metadata": {"annotations": wanted}})]
    if provisioner == LOCAL_PATH:
        return ClaimPlan((*_phase(claim, "Pending"), *marks), provision=True)
    text = (
        "Waiting for a volume to be created either by the external provisioner "
        f"'{provisioner}' or manually by the system administrator. If volume creation is delayed, "
        "please verify that the provisioner is running and correctly registered."
    )
    return _waiting(claim, "Normal", "ExternalProvisioning", text, *marks)


def _bind_named(seen: Seen) -> list[Action]:
    """The claim's maker chose a volume by name."""
    claim, volume = seen.claim, seen.volume
    if volume is None:
        return _phase(claim, "Pending")
    if is_claimed_by(volume, claim):
        return bind(volume, claim)
    name = volume.metadata.name
    if volume.spec.claim_ref is not None:
        text = f'volume "{name}" already bound to a different claim.'
        return [*_phase(claim, "Pending"), Emit(claim, "Warning", "FailedBinding", text)]
    if why := match.mismatch(claim, volume):
        text = f'Cannot bind to requested volume "{name}": {why}'
        return [*_phase(claim, "Pending"), Emit(claim, "Warning", "VolumeMismatch", text)]
    return bind(volume, claim)


def _keep_bound(seen: Seen) -> list[Action]:
    """A claim once bound is bound to that volume or to none."""
    claim, volume = seen.claim, seen.volume
    if not claim.spec.volume_name:
        text = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
    elif volume is None:
        text = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
    elif volume.spec.claim_ref is None or is_claimed_by(volume, claim):
        return bind(volume, claim)
    else:
        text = (
            "Two claims are bound to the same volume, this one is bound incorrectly"
        )  # fmt: skip
        return _lost(claim, "ClaimMisbound", text)
    return _lost(claim, "ClaimLost", text)


def _lost(claim: PersistentVolumeClaim, reason: str, text: str) -> list[Action]:
    if claim.status.phase == "Lost":
        return []
    return [*_phase(claim, "Lost"), Emit(claim, "Warning", reason, text)]


def bind(volume: PersistentVolume, claim: PersistentVolumeClaim) -> list[Action]:
    """What of the four writes is still to be done."""
    return [
        *_refer(volume, claim),
        *volume_phase(volume, "Bound"),
        *_name(volume, claim),
        *_tell(volume, claim),
    ]


def _refer(volume: PersistentVolume, claim: PersistentVolumeClaim) -> list[Action]:
    reference = volume.spec.claim_ref
    if reference is not None and reference.uid == claim.metadata.uid:
        return []
    return [_patch(volume, reservation(volume, claim))]


def _name(volume: PersistentVolume, claim: PersistentVolumeClaim) -> list[Action]:
    name, held = volume.metadata.name, claim.metadata.annotations
    if claim.spec.volume_name == name and BIND_COMPLETED in held:
        return []
    marks = {BIND_COMPLETED: "yes"}
    change: dict[str, Any] = {"metadata": {"uid": claim.metadata.uid, "annotations": marks}}
    if not claim.spec.volume_name:
        marks[BOUND_BY_CONTROLLER] = "yes"
        change["spec"] = {"volumeName": name}
    return [_patch(claim, change)]


def _tell(volume: PersistentVolume, claim: PersistentVolumeClaim) -> list[Action]:
    status = claim.status
    capacity = {"storage": volume.spec.capacity.get("storage", "0")}
    have = (status.phase, status.access_modes, status.capacity)
    # A claim that was made larger keeps what it was told until its volume has grown.
    if have == ("Bound", volume.spec.access_modes, capacity):
        return []
    told = {"phase": "Bound", "accessModes": volume.spec.access_modes, "capacity": capacity}
    return [_patch(claim, {"status": told}, "status")]


def _phase(claim: PersistentVolumeClaim, phase: str) -> list[Action]:
    if claim.status.phase == phase:
        return []
    return [_patch(claim, {"status": {"phase": phase}}, "status")]


def volume_phase(volume: PersistentVolume, phase: str, message: str = "") -> list[Action]:
    """Say so in the volume's status, if it does not yet."""
    status = volume.status
    if (status.phase, status.message) == (phase, message):
        return []
    return [_patch(volume, {"status": {"phase": phase, "message": message or None}}, "status")]


def _patch(
    changed: PersistentVolume | PersistentVolumeClaim, patch: dict[str, Any], subresource: str = ""
) -> Patch:
    meta = changed.metadata
    return Patch(type(changed), meta.namespace, meta.name, patch, "merge", subresource)
