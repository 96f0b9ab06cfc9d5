"""Volumes behind claims: which PersistentVolume a pod's volume means, and where it lies. Pure checks.

Source: upstream's pkg/kubelet/volumemanager/populator (what a claim must be), pkg/volume/local and
pkg/volume/hostpath (where it lies), component-helpers/storage/ephemeral (names and owners).
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

from kubelet.volumes import hostpath
from kubelet.volumes.interface import VolumeError
from wherry.api.core_v1 import Node, PersistentVolume, PersistentVolumeClaim, Pod, Volume
from wherry.api.volume_match import is_reachable
from wherry.api.volumes import LOCAL_PATH, PROVISIONED_BY, ephemeral_claim

# Whoever a pod runs as may write into the folder that was made for its claim.
FOLDER_MODE = 0o777


def claim_name(pod: Pod, volume: Volume) -> str:
    """The claim that a volume of the pod is; empty when it is none."""
    if volume.persistent_volume_claim is not None:
        return volume.persistent_volume_claim.claim_name
    return ephemeral_claim(pod.metadata.name, volume.name) if volume.ephemeral is not None else ""


def check_claim(pod: Pod, volume: Volume, claim: PersistentVolumeClaim | None) -> str:
    """The name of the claim's PersistentVolume; VolumeError while the pod can't use it."""
    namespace, name = pod.metadata.namespace, claim_name(pod, volume)
    if claim is None:
        text = f'persistentvolumeclaim "{name}" not found'
    elif volume.ephemeral is not None and not _owns(pod, claim):
        text = (
            f"PVC {namespace}/{name} was not created for pod {namespace}/{pod.metadata.name} "
            "(pod is not owner)"
        )
    elif claim.metadata.deletion_timestamp is not None:
        text = "PVC is being deleted"
    elif claim.status.phase != "Bound" or not claim.spec.volume_name:
        text = "PVC is not bound"
    elif _is_misused(pod, volume.name, block=is_block(claim)):
        block = is_block(claim)
        mode, field = ("Block", "volumeMounts") if block else ("Filesystem", "volumeDevices")
        text = f"volume {volume.name} has volumeMode {mode}, but is specified in {field}"
        raise VolumeError("FailedMount", text)
    else:
        return claim.spec.volume_name
    raise VolumeError("FailedMount", f"error processing PVC {namespace}/{name}: {text}")


def is_block(claimed: PersistentVolumeClaim | PersistentVolume) -> bool:
    """Whether it is a device and no folder."""
    return claimed.spec.volume_mode == "Block"


def _is_misused(pod: Pod, volume: str, *, block: bool) -> bool:
    """Whether a container mounts a device, or wants a folder as a device."""
    everyone = (*pod.spec.init_containers, *pod.spec.containers)
    if block:
        return any(one.name == volume for c in everyone for one in c.volume_mounts)
    return any(one.name == volume for c in everyone for one in c.volume_devices)


def _owns(pod: Pod, claim: PersistentVolumeClaim) -> bool:
    owners = claim.metadata.owner_references
    return any(one.controller and one.uid == pod.metadata.uid for one in owners)


def check_volume(
    volume: PersistentVolume | None, name: str, claim: PersistentVolumeClaim, node: Node | None
) -> PersistentVolume:
    """VolumeError when the claim's volume is not (any more) its own, or not for this node."""
    if volume is None:
        raise VolumeError("FailedMount", f'persistentvolume "{name}" not found')
    reference = volume.spec.claim_ref
    if reference is None or reference.uid != claim.metadata.uid:
        meta = claim.metadata
        text = f'PV "{name}" is not bound to PVC {meta.namespace}/{meta.name}'
        raise VolumeError("FailedMount", text)
    if node is not None and not is_reachable(volume, node.metadata.name, node.metadata.labels):
        text = f'NodeAffinity check failed for volume "{name}" : no matching NodeSelectorTerms'
        raise VolumeError("FailedMount", text)
    return volume


def place(volume: PersistentVolume) -> Path:
    """Where a volume of this machine lies; VolumeError when it is not there or of another kind."""
    spec = volume.spec
    if is_block(volume):
        return _device(volume)
    if spec.host_path is not None:
        path = Path(spec.host_path.path)
        fresh = not path.exists()
        hostpath.prepare(path, spec.host_path.type or "")
        if fresh and volume.metadata.annotations.get(PROVISIONED_BY) == LOCAL_PATH:
            path.chmod(FOLDER_MODE)
        return path
    if spec.local is None:
        raise VolumeError("FailedMount", "no volume plugin matched")
    return _local(spec.local.path, stat.S_ISDIR, "FailedMount", "directory")


def _device(volume: PersistentVolume) -> Path:
    """Only local volumes may be devices, as upstream's."""
    if volume.spec.local is None:
        raise VolumeError(
            "FailedMapVolume", "no volume plugin matched that can give a block device"
        )
    return _local(volume.spec.local.path, stat.S_ISBLK, "FailedMapVolume", "block device")


def _local(name: str, is_right: Callable[[int], bool], reason: str, kind: str) -> Path:
    """A path of this machine, if it is what it must be."""
    path = Path(name)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise VolumeError(reason, f'path "{path}" does not exist') from error
    if not is_right(mode):
        raise VolumeError(reason, f'path "{path}" is not a {kind}')
    return path
