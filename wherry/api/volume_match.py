"""Which volume a claim may have: the smallest that will do. Pure.

Source: upstream's pkg/controller/volume/persistentvolume (pv_controller_base.go, index.go) and
k8s.io/component-helpers/storage/volume (FindMatchingVolume, CheckNodeAffinity).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from wherry.api import quantity
from wherry.api.core_v1 import PersistentVolume, PersistentVolumeClaim
from wherry.api.node_selector import matches_term
from wherry.api.selectors import label_selector
from wherry.api.volumes import class_of_claim, class_of_volume, is_claimed_by

FILESYSTEM = "Filesystem"


def find(
    claim: PersistentVolumeClaim, volumes: Iterable[PersistentVolume], *, only_reserved: bool
) -> PersistentVolume | None:
    """One kept for this claim, else the smallest free one; `only_reserved`: not the latter."""
    best: PersistentVolume | None = None
    for volume in volumes:
        if volume.metadata.deletion_timestamp is not None or mismatch(claim, volume):
            continue
        if is_claimed_by(volume, claim):
            return volume
        if only_reserved or not is_free(volume) or not _is_selected(claim, volume):
            continue
        if best is None or size_of(volume) < size_of(best):
            best = volume
    return best


def is_reachable(volume: PersistentVolume, node: str, labels: Mapping[str, str]) -> bool:
    """Whether the volume may be used on a node."""
    affinity = volume.spec.node_affinity
    if affinity is None or affinity.required is None:
        return True
    terms = affinity.required.node_selector_terms
    return any(matches_term(term, node, labels) for term in terms)


def is_free(volume: PersistentVolume) -> bool:
    return volume.spec.claim_ref is None and volume.status.phase == "Available"


def mismatch(claim: PersistentVolumeClaim, volume: PersistentVolume) -> str:
    """Why the volume will not do for the claim; empty when it does."""
    spec, asked = volume.spec, claim.spec
    if size_of(volume) < requested(claim):
        return "requested PV is too small"
    if class_of_volume(volume) != class_of_claim(claim):
        return "storageClassName does not match"
    if (spec.volume_mode or FILESYSTEM) != (asked.volume_mode or FILESYSTEM):
        return "incompatible volumeMode"
    if not set(asked.access_modes) <= set(spec.access_modes):
        return "incompatible accessMode"
    if (spec.volume_attributes_class_name or "") != (asked.volume_attributes_class_name or ""):
        return "VolumeAttributesClassName does not match"
    return ""


def _is_selected(claim: PersistentVolumeClaim, volume: PersistentVolume) -> bool:
    selector = claim.spec.selector
    return selector is None or label_selector(selector).matches(volume.metadata.labels)


def size_of(volume: PersistentVolume) -> int:
    return quantity.value(volume.spec.capacity.get("storage", "0"))


def requested(claim: PersistentVolumeClaim) -> int:
    return quantity.value(claim.spec.resources.requests.get("storage", "0"))
