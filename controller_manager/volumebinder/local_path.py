"""The built-in provisioner: a claim gets a folder on the node that its first pod goes to. Pure.

The folder is made by that node's kubelet when the volume is first mounted. When the volume is
reclaimed, a small pod on the node deletes it, in the sandbox image that every node has; then the
volume goes. A node that is no more takes its folders with it.

Source of the idea: rancher/local-path-provisioner.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from controller_manager.plan import Action, Create, Delete, Emit
from wherry.api.core_v1 import Node, PersistentVolume, PersistentVolumeClaim, Pod
from wherry.api.storage_v1 import StorageClass
from wherry.api.volumes import LOCAL_PATH, PROVISIONED_BY, class_of_claim

FOLDER_DEFAULT = "/var/lib/wherry/volumes"
FOLDER_PARAMETER = "path"
NAMESPACE = "kube-system"
HOSTNAME = "kubernetes.io/hostname"
SANDBOX_IMAGE = "wherry/sandbox:"
MODES = frozenset({"ReadWriteOnce", "ReadWriteOncePod"})
CLEANER_LABEL = "wherry.io/deletes-volume"
CLEANER_SECONDS_MAX = 600


class Unfit(ValueError):
    """The claim asks for what a folder can't be."""


def volume_for(
    claim: PersistentVolumeClaim, storage_class: StorageClass, node: Node
) -> PersistentVolume:
    """The volume to create; Unfit when the claim wants something else."""
    meta, spec = claim.metadata, claim.spec
    if not set(spec.access_modes) <= MODES:
        raise Unfit(f"{LOCAL_PATH} only supports the access modes {', '.join(sorted(MODES))}")
    if spec.volume_mode == "Block":
        raise Unfit(f"{LOCAL_PATH} has no volumes of mode Block")
    if spec.selector is not None:
        raise Unfit("claim.Spec.Selector is not supported for dynamic provisioning")
    name = f"pvc-{meta.uid}"
    root = PurePosixPath(storage_class.parameters.get(FOLDER_PARAMETER) or FOLDER_DEFAULT)
    host = node.metadata.labels.get(HOSTNAME, node.metadata.name)
    terms = [{"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": [host]}]}]
    tree: dict[str, Any] = {
        "metadata": {"name": name, "annotations": {PROVISIONED_BY: LOCAL_PATH}},
        "spec": {
            "capacity": {"storage": spec.resources.requests["storage"]},
            "accessModes": spec.access_modes,
            "persistentVolumeReclaimPolicy": storage_class.reclaim_policy or "Delete",
            "storageClassName": class_of_claim(claim),
            "volumeMode": "Filesystem",
            "hostPath": {
                "path": str(root / f"{name}_{meta.namespace}_{meta.name}"),
                "type": "DirectoryOrCreate",
            },
            "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
            "claimRef": {
                "kind": "PersistentVolumeClaim", "apiVersion": "v1", "uid": meta.uid,
                "namespace": meta.namespace, "name": meta.name,
            },
        },
    }  # fmt: skip
    return PersistentVolume.from_wire(tree)


def host_of(volume: PersistentVolume) -> str:
    """The host name that the volume is tied to; empty when it is not."""
    affinity = volume.spec.node_affinity
    required = affinity.required if affinity is not None else None
    for term in required.node_selector_terms if required is not None else ():
        for one in term.match_expressions:
            if one.key == HOSTNAME and one.values:
                return one.values[0]
    return ""


@dataclass(frozen=True, slots=True)
class Left:
    """A volume to be reclaimed; its node if it is there, with images; the cleaning pod if it is."""

    volume: PersistentVolume
    node: Node | None
    cleaner: Pod | None


def plan_reclaim(left: Left) -> tuple[Action, ...]:
    """The next step. Each is taken when the one before shows."""
    volume, cleaner = left.volume, left.cleaner
    gone = Delete(PersistentVolume, "", volume.metadata.name, volume.metadata.uid)
    if left.node is None:
        return (_remove(cleaner), gone) if cleaner is not None else (gone,)
    if cleaner is None:
        image = sandbox_image(left.node)
        if not image:
            text = f"node {left.node.metadata.name} does not tell its sandbox image yet"
            return (Emit(volume, "Warning", "VolumeFailedDelete", text),)
        return (Create(cleaner_for(volume, left.node, image), exists_ok=True),)
    if cleaner.status.phase == "Succeeded":
        return (gone, _remove(cleaner))
    if cleaner.status.phase == "Failed":
        text = f"pod {NAMESPACE}/{cleaner.metadata.name} could not delete the folder"
        return (_remove(cleaner), Emit(volume, "Warning", "VolumeFailedDelete", text))
    return ()


def _remove(cleaner: Pod) -> Delete:
    meta = cleaner.metadata
    return Delete(Pod, meta.namespace, meta.name, meta.uid, grace_period_seconds=0)


def sandbox_image(node: Node) -> str:
    names = (name for image in node.status.images for name in image.names)
    return next((name for name in names if name.startswith(SANDBOX_IMAGE)), "")


def cleaner_name(volume: PersistentVolume) -> str:
    return f"delete-{volume.metadata.name}"


def cleaner_for(volume: PersistentVolume, node: Node, image: str) -> Pod:
    """The pod that deletes the volume's folder."""
    assert volume.spec.host_path is not None, "made by volume_for"
    path = PurePosixPath(volume.spec.host_path.path)
    tree: dict[str, Any] = {
        "metadata": {
            "name": cleaner_name(volume),
            "namespace": NAMESPACE,
            "labels": {CLEANER_LABEL: "true"},
        },
        "spec": {
            "nodeName": node.metadata.name,
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "activeDeadlineSeconds": CLEANER_SECONDS_MAX,
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {
                    "name": "delete",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["/bin/busybox", "rm", "-rf", f"/volumes/{path.name}"],
                    "volumeMounts": [{"name": "volumes", "mountPath": "/volumes"}],
                }
            ],
            "volumes": [
                {
                    "name": "volumes",
                    "hostPath": {"path": str(path.parent), "type": "DirectoryOrCreate"},
                }
            ],
        },
    }
    return Pod.from_wire(tree)
