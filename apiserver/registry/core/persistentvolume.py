"""PersistentVolumes: storage that outlives pods.

Source: pkg/registry/core/persistentvolume/strategy.go, SetDefaults_PersistentVolume,
printPersistentVolume.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.core.pod_defaults import default_sources
from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.persistent_volume import (
    validate_persistent_volume_spec,
    validate_persistent_volume_update,
)
from apiserver.registry.validation.persistent_volume_claim import CLASS_ANNOTATION
from apiserver.request import RequestContext
from wherry.api.core_v1 import PersistentVolume
from wherry.api.errors import FieldError
from wherry.api.model import format_time
from wherry.api.scheme import resource_of

UNSET: Final = "<unset>"
FILESYSTEM: Final = "Filesystem"
_SHORT_MODES: Final = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


class PersistentVolumeStrategy(Strategy):
    """The phase is the controller's; the server notes when it changed last."""

    resource = resource_of(PersistentVolume)
    columns = (
        NAME,
        Column("Capacity", description="How large it is."),
        Column("Access Modes", description="How it may be mounted."),
        Column("Reclaim Policy", description="What happens to it when its claim goes."),
        Column("Status", description="Whether it is available, bound, released."),
        Column("Claim", description="The claim that has it."),
        Column("StorageClass", description="Its class."),
        Column("VolumeAttributesClass", description="The class of its changeable attributes."),
        Column("Reason", description="Why it is in this phase."),
        AGE,
        Column("VolumeMode", description="Files or a block device.", priority=1),
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        spec = tree["spec"]
        tree["status"].setdefault("phase", "Pending")
        spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
        spec.setdefault("volumeMode", FILESYSTEM)
        default_sources(spec)

    def prepare_for_create(self, tree: Tree) -> None:
        tree["status"] = {"phase": "Pending"}

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["status"] = dict(old["status"])

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["spec"] = dict(old["spec"])

    def stamp(self, tree: Tree, old: Mapping[str, Any] | None, ctx: RequestContext) -> None:
        status, field = tree["status"], "lastPhaseTransitionTime"
        if old is None:
            status[field] = format_time(ctx.now)
            return
        before = old["status"]
        moved = status.get("phase") != before.get("phase")
        if moved and status.get(field) in (None, before.get(field)):
            status[field] = format_time(ctx.now)

    def validate(self, tree: Tree) -> list[FieldError]:
        return validate_persistent_volume_spec(tree["spec"], "spec")

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return validate_persistent_volume_update(tree, old)

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        spec, status, claim = tree["spec"], tree["status"], tree["spec"].get("claimRef")
        return (
            tree["metadata"]["name"],
            spec.get("capacity", {}).get("storage", "0"),
            short_modes(spec.get("accessModes", ())),
            spec.get("persistentVolumeReclaimPolicy", ""),
            phase_of(tree),
            f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
            class_of(tree),
            spec.get("volumeAttributesClassName", UNSET),
            status.get("reason", ""),
            created(tree, now),
            spec.get("volumeMode", UNSET),
        )


def short_modes(modes: Sequence[str]) -> str:
    """Access modes as people read them, each once, in upstream's order."""
    return ",".join(short for mode, short in _SHORT_MODES.items() if mode in modes)


def phase_of(tree: Mapping[str, Any]) -> str:
    if tree["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return str(tree["status"].get("phase", ""))


def class_of(tree: Mapping[str, Any]) -> str:
    """The storage class, as the old annotation or the field names it."""
    annotations: Mapping[str, str] = tree["metadata"].get("annotations", {})
    found = annotations.get(CLASS_ANNOTATION)
    return found if found is not None else str(tree["spec"].get("storageClassName") or "")
