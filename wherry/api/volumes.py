"""What those agree on who bind, place, provision and mount volumes: annotations and classes. Pure.

Source: k8s.io/component-helpers/storage/volume.
"""

from __future__ import annotations

from typing import Any, Final

from wherry.api.core_v1 import PersistentVolume, PersistentVolumeClaim

BIND_COMPLETED: Final = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER: Final = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY: Final = "pv.kubernetes.io/provisioned-by"
SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"
PROVISIONER: Final = "volume.kubernetes.io/storage-provisioner"
BETA_PROVISIONER: Final = "volume.beta.kubernetes.io/storage-provisioner"
BETA_CLASS: Final = "volume.beta.kubernetes.io/storage-class"
NO_PROVISIONER: Final = "kubernetes.io/no-provisioner"
WAIT_FOR_FIRST_CONSUMER: Final = "WaitForFirstConsumer"

# Our own provisioner: a folder of the node that the pod goes to.
LOCAL_PATH: Final = "wherry.io/local-path"


def class_of_claim(claim: PersistentVolumeClaim) -> str:
    beta = claim.metadata.annotations.get(BETA_CLASS)
    return beta if beta is not None else claim.spec.storage_class_name or ""


def class_of_volume(volume: PersistentVolume) -> str:
    beta = volume.metadata.annotations.get(BETA_CLASS)
    return beta if beta is not None else volume.spec.storage_class_name


def is_claimed_by(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether the volume is the claim's, or (without a uid) kept for one of its name."""
    reference, meta = volume.spec.claim_ref, claim.metadata
    return (
        reference is not None
        and (reference.namespace, reference.name) == (meta.namespace, meta.name)
        and reference.uid in ("", meta.uid)
    )


def reservation(volume: PersistentVolume, claim: PersistentVolumeClaim) -> dict[str, Any]:
    """The merge patch that makes the volume the claim's; refused when somebody was faster.

    One that was kept for a claim of this name by whoever made it is not marked as bound by us.
    """
    meta = claim.metadata
    change: dict[str, Any] = {"resourceVersion": volume.metadata.resource_version}
    if volume.spec.claim_ref is None:
        change["annotations"] = {BOUND_BY_CONTROLLER: "yes"}
    reference = {
        "kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": meta.namespace,
        "name": meta.name, "uid": meta.uid, "resourceVersion": meta.resource_version,
    }  # fmt: skip
    return {"metadata": change, "spec": {"claimRef": reference}}


def ephemeral_claim(pod_name: str, volume_name: str) -> str:
    """The name of the claim that an ephemeral volume of a pod is."""
    return f"{pod_name}-{volume_name}"


def is_bound(claim: PersistentVolumeClaim) -> bool:
    """Whether the binder is done with the claim."""
    return bool(claim.spec.volume_name) and BIND_COMPLETED in claim.metadata.annotations
