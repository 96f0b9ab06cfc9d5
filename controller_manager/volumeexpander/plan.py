"""A bound claim that asks for more than its volume has. Pure.

That it may ask is the API server's to say (its class has `allowVolumeExpansion`). A folder of our
own provisioner has no size of its own, so it grows by being said to; the binder tells the claim.
Any other volume is for its own provisioner to grow.

Source of the rules and words: upstream's pkg/controller/volume/expand.
"""

from __future__ import annotations

from controller_manager.plan import NOTHING, Emit, Patch, Plan
from wherry.api import quantity
from wherry.api.core_v1 import PersistentVolume, PersistentVolumeClaim
from wherry.api.volumes import LOCAL_PATH, PROVISIONED_BY, is_claimed_by

STORAGE = "storage"
WAITING = "waiting for an external controller to expand this PVC"


def plan_growth(claim: PersistentVolumeClaim | None, volume: PersistentVolume | None) -> Plan:
    """`volume`: the one the claim names."""
    if claim is None or volume is None or not _wants_more(claim, volume):
        return NOTHING
    if volume.metadata.annotations.get(PROVISIONED_BY) != LOCAL_PATH:
        return Plan((Emit(claim, "Normal", "ExternalExpanding", WAITING),))
    wanted = claim.spec.resources.requests[STORAGE]
    change = {
        "metadata": {"resourceVersion": volume.metadata.resource_version},
        "spec": {"capacity": {STORAGE: wanted}},
    }
    name = volume.metadata.name
    message = f"ExpandVolume succeeded for volume {claim.metadata.namespace}/{claim.metadata.name}"
    return Plan(
        (
            Patch(PersistentVolume, "", name, change, "merge"),
            Emit(claim, "Normal", "VolumeResizeSuccessful", message),
        )
    )


def _wants_more(claim: PersistentVolumeClaim, volume: PersistentVolume) -> bool:
    if claim.status.phase != "Bound" or claim.spec.volume_name != volume.metadata.name:
        return False
    if claim.metadata.deletion_timestamp is not None or not is_claimed_by(volume, claim):
        return False
    wanted = quantity.parse(claim.spec.resources.requests.get(STORAGE, "0"))
    return bool(wanted > quantity.parse(volume.spec.capacity.get(STORAGE, "0")))
