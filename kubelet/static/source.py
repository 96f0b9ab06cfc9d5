"""Static pods: manifests in a folder of this machine, run without asking anybody.

A manifest becomes a pod whose uid is a digest of node, file and content: a changed file is another
pod. What the API server would fill in is filled in here. A static pod can't refer to objects of the
API: it must be able to run while there is none.

Source: upstream's pkg/kubelet/config (file.go, common.go).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import ValidationError

from wherry.api import names
from wherry.api.core_v1 import Container, Pod, PodSpec, Toleration, Volume

log = logging.getLogger(__name__)

HASH = "kubernetes.io/config.hash"
SOURCE = "kubernetes.io/config.source"
MANIFEST_BYTES_MAX = 1024 * 1024
GRACE_SECONDS_DEFAULT = 30
_EVERYTHING = Toleration(operator="Exists", effect="NoExecute")


def is_static(pod: Pod) -> bool:
    """Whether the pod comes from a file here (its mirror in the API does not)."""
    return pod.metadata.annotations.get(SOURCE) == "file"


def pod_of(text: bytes, file: str, node: str) -> Pod:
    """The pod of one manifest; ValueError says what is wrong with it."""
    try:
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"it is neither YAML nor JSON: {error}") from error
    if not isinstance(tree, dict) or (tree.get("apiVersion"), tree.get("kind")) != ("v1", "Pod"):
        raise ValueError("it is no Pod of v1")
    try:
        given = Pod.from_wire(tree)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{place}: {first['msg']}") from error
    meta = given.metadata
    name = f"{meta.name}-{node}"
    if not meta.name or names.dns1123_subdomain(name):
        raise ValueError(f"metadata.name {meta.name!r} is no name of a pod")
    _check(given.spec)
    digest = hashlib.sha256(b"\0".join((node.encode(), file.encode(), text))).hexdigest()[:32]
    return Pod(
        metadata=meta.with_(
            name=name,
            namespace=meta.namespace or "default",
            uid=digest,
            annotations={**meta.annotations, HASH: digest, SOURCE: "file"},
        ),
        spec=_filled(given.spec, node),
    )


def _check(spec: PodSpec) -> None:
    everyone = (*spec.containers, *spec.init_containers)
    if not spec.containers or not all(c.name and c.image for c in everyone):
        raise ValueError("each pod has containers, and each of these a name and an image")
    if len({c.name for c in everyone}) != len(everyone):
        raise ValueError("two containers have the same name")
    refers = bool(spec.service_account_name or spec.image_pull_secrets) or any(
        _refers(volume) for volume in spec.volumes
    )
    for container in everyone:
        sources = (v.value_from for v in container.env if v.value_from is not None)
        refers |= bool(container.env_from) or any(
            source.config_map_key_ref or source.secret_key_ref for source in sources
        )
    if refers:
        raise ValueError("static pods may not refer to objects of the API")


def _refers(volume: Volume) -> bool:
    return any((volume.config_map, volume.secret, volume.projected, volume.persistent_volume_claim))


def _filled(spec: PodSpec, node: str) -> PodSpec:
    grace = spec.termination_grace_period_seconds
    return spec.with_(
        node_name=node,
        restart_policy=spec.restart_policy or "Always",
        dns_policy=spec.dns_policy or "ClusterFirst",
        termination_grace_period_seconds=GRACE_SECONDS_DEFAULT if grace is None else grace,
        enable_service_links=spec.enable_service_links is not False,
        tolerations=[*spec.tolerations, _EVERYTHING],
        containers=[_requesting(container) for container in spec.containers],
        init_containers=[_requesting(container) for container in spec.init_containers],
    )


def _requesting(container: Container) -> Container:
    """Who limits and does not request requests what it is limited to."""
    resources = container.resources
    requests = {**resources.limits, **resources.requests}
    return container.with_(resources=resources.with_(requests=requests))


class Manifests:
    """The manifest folder, or file; reading it does I/O."""

    def __init__(self, path: Path | None, node: str) -> None:
        self._path = path
        self._node = node
        self._known: dict[str, tuple[bytes, Pod | None]] = {}

    def read(self) -> dict[str, Pod]:
        """All static pods by uid. A bad file is told once, and leaves the others alone."""
        texts = _texts(self._path) if self._path is not None else {}
        found: dict[str, tuple[bytes, Pod | None]] = {}
        for file, text in texts.items():
            before = self._known.get(file)
            found[file] = (
                before if before and before[0] == text else (text, self._parse(file, text))
            )
        self._known = found
        pods: dict[str, Pod] = {}
        taken: set[tuple[str, str]] = set()
        for _, pod in found.values():
            if pod is None or (pod.metadata.namespace, pod.metadata.name) in taken:
                continue
            taken.add((pod.metadata.namespace, pod.metadata.name))
            pods[pod.metadata.uid] = pod
        return pods

    def _parse(self, file: str, text: bytes) -> Pod | None:
        try:
            return pod_of(text, file, self._node)
        except ValueError as error:
            log.warning("manifest %s is ignored: %s", file, error)
            return None


def _texts(path: Path) -> Mapping[str, bytes]:
    """The contents of the files that count, by path."""
    if path.is_dir():
        files = [one for one in sorted(path.iterdir()) if not one.name.startswith(".")]
    else:
        files = [path]
    found = {}
    for file in files:
        try:
            if file.is_file() and file.stat().st_size <= MANIFEST_BYTES_MAX:
                found[str(file)] = file.read_bytes()
        except OSError as error:
            log.warning("manifest %s: %s", file, error)
    return found
