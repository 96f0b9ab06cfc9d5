"""A mirror pod: what the API is told of a pod that a node runs by itself. It refers to no other object,
else a node could grant itself anything by naming it.

Source: plugin/pkg/admission/noderestriction (admitPodCreate), HasAPIObjectReference of pkg/api/pod.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apiserver.authz.pod_references import references
from wherry.api.errors import go_quote

MIRROR: Final = "kubernetes.io/config.mirror"
# What a volume of this source refers to.
_VOLUMES: Final = (
    ("configMap", "configmaps (via configmap volumes)"),
    ("secret", "secrets (via secret volumes)"),
    ("csi", "csidrivers (via CSI volumes)"),
    ("glusterfs", "endpoints (via glusterFS volumes)"),
    ("persistentVolumeClaim", "persistentvolumeclaims"),
    ("ephemeral", "persistentvolumeclaims (via ephemeral volumes)"),
    ("azureFile", "secrets (via azureFile volumes)"),
)
_PROJECTED: Final = (
    ("configMap", "configmaps (via projected volumes)"),
    ("secret", "secrets (via projected volumes)"),
    ("serviceAccountToken", "serviceaccounts (via projected volumes)"),
    ("clusterTrustBundle", "clustertrustbundles"),
    ("podCertificate", "podcertificates"),
)

Tree = Mapping[str, Any]


def mirror_problem(pod: Tree, node: str) -> str:
    """Why this node may not make this pod, but for its owner's UID; "" when it may."""
    metadata, spec, name = pod["metadata"], pod.get("spec") or {}, go_quote(node)
    if MIRROR not in (metadata.get("annotations") or {}):
        return f'pod does not have "{MIRROR}" annotation, node {name} can only create mirror pods'
    if spec.get("nodeName") != node:
        return f"node {name} can only create pods with spec.nodeName set to itself"
    owners = metadata.get("ownerReferences") or []
    if len(owners) > 1:
        return f"node {name} can only create pods with a single owner reference set to itself"
    itself = ("v1", "Node", node)
    if not owners or tuple(owners[0].get(key) for key in ("apiVersion", "kind", "name")) != itself:
        return f"node {name} can only create pods with an owner reference set to itself"
    if not owners[0].get("controller"):
        return f"node {name} can only create pods with a controller owner reference set to itself"
    if owners[0].get("blockOwnerDeletion"):
        return f"node {name} must not set blockOwnerDeletion on an owner reference"
    return ""


def referred_to(pod: Tree) -> str:
    """What kind of object a pod refers to; "" when to none."""
    spec = pod.get("spec") or {}
    # `references` is told nothing of the annotation, as it finds none in a mirror pod.
    found = references({"metadata": {"name": pod["metadata"].get("name", "")}, "spec": spec})
    for kind, names in (
        ("serviceaccounts", found.account),
        ("secrets", found.secrets),
        ("configmaps", found.configmaps),
        ("resourceclaims", spec.get("resourceClaims")),
    ):
        if names:
            return kind
    for volume in spec.get("volumes") or ():
        if kind := _of_volume(volume):
            return kind
    return ""


def _of_volume(volume: Tree) -> str:
    for source, kind in _VOLUMES:
        if volume.get(source) is not None:
            return kind
    for part in (volume.get("projected") or {}).get("sources") or ():
        for source, kind in _PROJECTED:
            if part.get(source) is not None:
                return kind
    return ""
