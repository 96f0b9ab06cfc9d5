"""ResourceClaims: devices that pods ask for, and their templates.

Not here: allocation, and who may ask for administrative access (upstream looks at a label of the
namespace).
Source: pkg/apis/resource/validation, pkg/registry/resource/resourceclaim.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.status_updates import keep_all_but_status, keep_status
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.device_claim import (
    allocated_devices,
    claim_errors,
    claim_status_errors,
    default_claim,
    device_id,
)
from apiserver.registry.validation.devices import template_metadata_errors
from apiserver.registry.validation.metadata import subdomain_name, validate_annotations
from apiserver.registry.validation.words import immutable, labels
from wherry.api.errors import FieldError
from wherry.api.resource_v1 import ResourceClaim, ResourceClaimTemplate
from wherry.api.scheme import resource_of


class ResourceClaimStrategy(Strategy):
    """What is asked for never changes; what is allocated is status."""

    resource = resource_of(ResourceClaim)
    columns = (NAME, Column("State", description="Pending, allocated, reserved, deleted."), AGE)

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        default_claim(tree["spec"])

    def prepare_for_create(self, tree: Tree) -> None:
        tree["status"] = {}

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        keep_status(tree, old)

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        keep_all_but_status(tree, old)
        gone = allocated_devices(old["status"]) - allocated_devices(tree["status"])
        devices = [one for one in tree["status"].get("devices", ()) if device_id(one) not in gone]
        if devices:
            tree["status"]["devices"] = devices
        else:
            tree["status"].pop("devices", None)

    def validate(self, tree: Tree) -> list[FieldError]:
        return claim_errors(tree["spec"], "spec")

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return immutable(tree["spec"], old["spec"], "spec")

    def validate_status_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return claim_status_errors(tree, old)

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        return (tree["metadata"]["name"], _state(tree), created(tree, now))


def _state(tree: Mapping[str, Any]) -> str:
    deleted = bool(tree["metadata"].get("deletionTimestamp"))
    states = ["deleted"] if deleted else []
    status = tree["status"]
    if status.get("allocation") is not None:
        states.append("allocated")
        if status.get("reservedFor"):
            states.append("reserved")
    elif not deleted:
        states.append("pending")
    return ",".join(states)


class ResourceClaimTemplateStrategy(Strategy):
    """Claims are made from it for each pod; it never changes."""

    resource = resource_of(ResourceClaimTemplate)
    columns = (NAME, AGE)

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        default_claim(tree["spec"]["spec"])

    def validate(self, tree: Tree) -> list[FieldError]:
        metadata, path = tree["spec"]["metadata"], "spec.metadata"
        errors = validate_annotations(metadata.get("annotations", {}), f"{path}.annotations")
        errors += labels(metadata.get("labels", {}), f"{path}.labels")
        errors += template_metadata_errors(metadata, path)
        return errors + claim_errors(tree["spec"]["spec"], "spec.spec")

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return immutable(tree["spec"], old["spec"], "spec")

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        return (tree["metadata"]["name"], created(tree, now))
