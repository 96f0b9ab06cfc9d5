"""VolumeAttachments: a volume that a driver is to attach to a node.

Source: pkg/apis/storage/validation, pkg/registry/storage/volumeattachment/strategy.go,
printVolumeAttachment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.persistent_volume import (
    csi_driver_name,
    validate_persistent_volume_spec,
)
from apiserver.registry.validation.words import immutable, invalids
from wherry.api import names
from wherry.api.errors import FieldError, forbidden_field, invalid, required, too_long
from wherry.api.scheme import resource_of
from wherry.api.storage_v1 import VolumeAttachment

METADATA_SIZE_MAX: Final = 256 * 1024
MESSAGE_MAX: Final = 1024
_ONE_SOURCE: Final = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


class VolumeAttachmentStrategy(Strategy):
    """The spec is for life; the status is the driver's."""

    resource = resource_of(VolumeAttachment)
    allow_unconditional_update = False
    columns = (
        NAME,
        Column("Attacher", format="name", description="The driver that attaches it."),
        Column("PV", description="The volume."),
        Column("Node", description="The node."),
        Column("Attached", "boolean", description="Whether it is attached."),
        AGE,
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def prepare_for_create(self, tree: Tree) -> None:
        tree["status"] = {"attached": False}

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["status"] = dict(old["status"])

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["spec"] = dict(old["spec"])

    def validate(self, tree: Tree) -> list[FieldError]:
        errors = _spec(tree["spec"]) + _status(tree["status"])
        spec = tree["spec"]
        if spec["attacher"]:
            errors += csi_driver_name(spec["attacher"], "spec.attacher")
        if name := spec["source"].get("persistentVolumeName"):
            path = "spec.source.persistentVolumeName"
            errors += invalids(path, name, names.dns1123_subdomain(name))
        return errors

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        errors = _spec(tree["spec"]) + _status(tree["status"])
        return errors + immutable(tree["spec"], old["spec"], "spec")

    def validate_status_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return self.validate_update(tree, old)

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        spec = tree["spec"]
        return (
            tree["metadata"]["name"],
            spec["attacher"],
            spec["source"].get("persistentVolumeName", ""),
            spec["nodeName"],
            tree["status"].get("attached", False),
            created(tree, now),
        )


def _spec(spec: Mapping[str, Any]) -> list[FieldError]:
    errors = [] if spec["attacher"] else [required("spec.attacher")]
    source, path = spec["source"], "spec.source"
    name, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    if name is None and inline is None:
        errors.append(required(path, _ONE_SOURCE))
    elif name is not None and inline is not None:
        errors.append(forbidden_field(path, _ONE_SOURCE))
    elif name == "":
        words = "must specify non empty persistentVolumeName"
        errors.append(required(f"{path}.persistentVolumeName", words))
    elif inline is not None:
        errors += validate_persistent_volume_spec(inline, f"{path}.inlineVolumeSpec", inline=True)
    node = spec["nodeName"]
    return errors + invalids("spec.nodeName", node, names.dns1123_subdomain(node))


def _status(status: Mapping[str, Any]) -> list[FieldError]:
    errors: list[FieldError] = []
    told = status.get("attachmentMetadata", {})
    if sum(len(key.encode()) + len(value.encode()) for key, value in told.items()) > (
        METADATA_SIZE_MAX
    ):
        errors.append(too_long("status.attachmentMetadata", METADATA_SIZE_MAX))
    for field in ("attachError", "detachError"):
        error, path = status.get(field) or {}, f"status.{field}"
        if len(error.get("message", "").encode()) > MESSAGE_MAX:
            errors.append(too_long(f"{path}.message", METADATA_SIZE_MAX))
        code = error.get("errorCode")
        if code is not None and code < 0:
            words = "must be between 0 and 2147483647, inclusive"
            errors.append(invalid(f"{path}.errorCode", code, words))
    return errors
