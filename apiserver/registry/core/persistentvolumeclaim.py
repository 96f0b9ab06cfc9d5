"""PersistentVolumeClaims: a pod's wish for storage.

Source: pkg/registry/core/persistentvolumeclaim/strategy.go, pkg/api/persistentvolumeclaim,
printPersistentVolumeClaim.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.core.persistentvolume import (
    FILESYSTEM,
    UNSET,
    class_of,
    phase_of,
    short_modes,
)
from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.persistent_volume_claim import (
    CLAIM,
    validate_claim_spec,
    validate_claim_status,
    validate_claim_update,
)
from wherry.api.core_v1 import PersistentVolumeClaim
from wherry.api.errors import FieldError
from wherry.api.scheme import resource_of

SNAPSHOT: Final = ("snapshot.storage.k8s.io", "VolumeSnapshot")


class PersistentVolumeClaimStrategy(Strategy):
    """Where its first data comes from has two fields, which say the same."""

    resource = resource_of(PersistentVolumeClaim)
    columns = (
        NAME,
        Column("Status", description="Whether it has a volume."),
        Column("Volume", description="The volume it has."),
        Column("Capacity", description="How large that is."),
        Column("Access Modes", description="How that may be mounted."),
        Column("StorageClass", description="The class it wants."),
        Column("VolumeAttributesClass", description="The class of changeable attributes."),
        AGE,
        Column("VolumeMode", description="Files or a block device.", priority=1),
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        tree["status"].setdefault("phase", "Pending")
        tree["spec"].setdefault("volumeMode", FILESYSTEM)

    def prepare_for_create(self, tree: Tree) -> None:
        tree["status"] = {"phase": "Pending"}
        _drop_unsupported_sources(tree["spec"])
        _same_sources(tree["spec"])

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["status"] = dict(old["status"])
        before = old["spec"]
        if "dataSource" not in before and "dataSourceRef" not in before:
            _drop_unsupported_sources(tree["spec"])
        _same_sources(tree["spec"])

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["spec"] = dict(old["spec"])

    def validate(self, tree: Tree) -> list[FieldError]:
        return validate_claim_spec(tree["spec"], "spec")

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return validate_claim_update(tree, old)

    def validate_status_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return validate_claim_status(tree)

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        spec, status = tree["spec"], tree["status"]
        bound = bool(spec.get("volumeName"))
        return (
            tree["metadata"]["name"],
            phase_of(tree),
            spec.get("volumeName", ""),
            status.get("capacity", {}).get("storage", "0") if bound else "",
            short_modes(status.get("accessModes", ())) if bound else "",
            class_of(tree),
            spec.get("volumeAttributesClassName", UNSET),
            created(tree, now),
            spec.get("volumeMode", UNSET),
        )


def _drop_unsupported_sources(spec: Tree) -> None:
    """Other kinds of sources need `dataSourceRef`; other namespaces are not allowed at all."""
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if reference is not None and reference.get("namespace"):
        del spec["dataSourceRef"]
    if source is not None:
        named = source.get("apiGroup") or "", source["kind"]
        if named not in (("", CLAIM), SNAPSHOT):
            del spec["dataSource"]


def _same_sources(spec: Tree) -> None:
    """Fill either field from the other."""
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and reference is None:
        spec["dataSourceRef"] = dict(source)
    elif reference is not None and source is None and not reference.get("namespace"):
        spec["dataSource"] = {k: v for k, v in reference.items() if k != "namespace"}
