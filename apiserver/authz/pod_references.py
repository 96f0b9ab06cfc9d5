"""What a pod's node must be able to read for it. Pure.

Source: pkg/api/v1/pod/util.go (VisitPodSecretNames, VisitPodConfigmapNames),
pkg/api/v1/persistentvolume/util.go, plugin/pkg/auth/authorizer/node/graph.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

_MIRROR: Final = "kubernetes.io/config.mirror"
_CONTAINERS: Final = ("initContainers", "containers", "ephemeralContainers")
# Volume sources that name a Secret by `secretRef`.
_SECRET_REFS: Final = ("cephfs", "cinder", "flexVolume", "rbd", "scaleIO", "iscsi", "storageos")
# Of the secrets of a CSI volume those that a node needs.
_CSI_REFS: Final = ("nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef")

Tree = Mapping[str, Any]


class References(NamedTuple):
    """The names of objects of a pod's own namespace."""

    secrets: frozenset[str] = frozenset()
    configmaps: frozenset[str] = frozenset()
    claims: frozenset[str] = frozenset()
    resource_claims: frozenset[str] = frozenset()
    account: str = ""


def references(pod: Tree) -> References:
    """A pod's. A mirror pod has none: a node makes it, and must not grant itself anything."""
    metadata, spec = pod["metadata"], pod["spec"]
    if _MIRROR in (metadata.get("annotations") or {}):
        return References()
    found = list(_named(pod))
    return References(
        frozenset(name for kind, name in found if kind == "secret"),
        frozenset(name for kind, name in found if kind == "configmap"),
        frozenset(_claims(metadata["name"], spec)),
        frozenset(_resource_claims(pod)),
        spec.get("serviceAccountName", ""),
    )


def _named(pod: Tree) -> Iterator[tuple[str, str]]:
    spec = pod["spec"]
    for one in spec.get("imagePullSecrets") or ():
        yield "secret", one.get("name", "")
    for field in _CONTAINERS:
        for container in spec.get(field) or ():
            yield from _of_environment(container)
    for volume in spec.get("volumes") or ():
        yield from _of_volume(volume)


def _of_environment(container: Tree) -> Iterator[tuple[str, str]]:
    for source in container.get("envFrom") or ():
        yield from _both(source.get("secretRef"), source.get("configMapRef"))
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        yield from _both(source.get("secretKeyRef"), source.get("configMapKeyRef"))


def _of_volume(volume: Tree) -> Iterator[tuple[str, str]]:
    if "secret" in volume:
        yield "secret", volume["secret"].get("secretName", "")
    if "azureFile" in volume:
        yield "secret", volume["azureFile"].get("secretName", "")
    yield from _both(None, volume.get("configMap"))
    for source in (volume.get("projected") or {}).get("sources") or ():
        yield from _both(source.get("secret"), source.get("configMap"))
    for field in _SECRET_REFS:
        yield from _both((volume.get(field) or {}).get("secretRef"), None)
    yield from _both((volume.get("csi") or {}).get("nodePublishSecretRef"), None)


def _both(secret: Tree | None, configmap: Tree | None) -> Iterator[tuple[str, str]]:
    if secret:
        yield "secret", secret.get("name", "")
    if configmap:
        yield "configmap", configmap.get("name", "")


def _claims(pod: str, spec: Tree) -> Iterator[str]:
    for volume in spec.get("volumes") or ():
        if "persistentVolumeClaim" in volume:
            yield volume["persistentVolumeClaim"].get("claimName", "")
        elif "ephemeral" in volume:
            yield f"{pod}-{volume['name']}"


def _resource_claims(pod: Tree) -> Iterator[str]:
    status = pod.get("status") or {}
    made = {
        one["name"]: one.get("resourceClaimName", "")
        for one in status.get("resourceClaimStatuses") or ()
    }
    for one in pod["spec"].get("resourceClaims") or ():
        name = one.get("resourceClaimName") or made.get(one["name"], "")
        if name:
            yield name
    extended = (status.get("extendedResourceClaimStatus") or {}).get("resourceClaimName")
    if extended:
        yield extended


def volume_secrets(volume: Tree) -> Iterator[tuple[str, str]]:
    """The (namespace, name) of Secrets that a node needs to use a PersistentVolume."""
    spec = volume["spec"]
    own = (spec.get("claimRef") or {}).get("namespace", "")
    if azure := spec.get("azureFile"):
        yield azure.get("secretNamespace") or own, azure.get("secretName", "")
    for field in _SECRET_REFS:
        if ref := (spec.get(field) or {}).get("secretRef"):
            yield ref.get("namespace") or own, ref.get("name", "")
    csi = spec.get("csi") or {}
    for field in _CSI_REFS:
        if ref := csi.get(field):
            yield ref.get("namespace", ""), ref.get("name", "")
