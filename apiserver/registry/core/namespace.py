"""Namespaces: their finalizer, phase and name label.

Source: pkg/registry/core/namespace/strategy.go, pkg/apis/core/v1/defaults.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import label_name
from apiserver.registry.validation.words import invalids
from wherry.api import names
from wherry.api.core_v1 import Namespace
from wherry.api.errors import FieldError, invalid
from wherry.api.scheme import resource_of

FINALIZER: Final = "kubernetes"
NAME_LABEL: Final = "kubernetes.io/metadata.name"
ACTIVE: Final = "Active"
TERMINATING: Final = "Terminating"


class NamespaceStrategy(Strategy):
    """A Namespace is emptied by its controller before it goes: `spec.finalizers` hold it."""

    resource = resource_of(Namespace)
    columns = (NAME, Column("Status", description="Active, or Terminating."), AGE)

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return label_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        if name := tree["metadata"].get("name"):
            tree["metadata"].setdefault("labels", {})[NAME_LABEL] = name

    def prepare_for_create(self, tree: Tree) -> None:
        tree["status"] = {"phase": ACTIVE}
        finalizers = tree["spec"].setdefault("finalizers", [])
        if FINALIZER not in finalizers:
            finalizers.append(FINALIZER)

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["spec"] = dict(old["spec"])
        tree["status"] = dict(old["status"])

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["spec"] = dict(old["spec"])

    def prepare_for_finalize(self, tree: Tree, old: Mapping[str, Any]) -> None:
        """The `finalize` subresource writes `spec.finalizers` alone."""
        tree["status"] = dict(old["status"])

    def validate(self, tree: Tree) -> list[FieldError]:
        errors: list[FieldError] = []
        for finalizer in tree["spec"].get("finalizers", ()):
            errors += invalids("spec.finalizers", finalizer, names.qualified_name(finalizer))
            if "/" not in finalizer and finalizer not in (
                FINALIZER,
                "orphan",
                "foregroundDeletion",
            ):
                detail = "name is neither a standard finalizer name nor is it fully qualified"
                errors.append(invalid("spec.finalizers", finalizer, detail))
        return errors

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return []

    def validate_status_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        phase = tree["status"].get("phase", "")
        if tree["metadata"].get("deletionTimestamp"):
            wanted, detail = (
                TERMINATING,
                "may only be 'Terminating' if `deletionTimestamp` is not empty",
            )
        else:
            wanted, detail = ACTIVE, "may only be 'Active' if `deletionTimestamp` is empty"
        return [] if phase == wanted else [invalid("status.Phase", phase, detail)]

    def selectable_fields(self, tree: Mapping[str, Any]) -> dict[str, str]:
        return {"status.phase": tree["status"].get("phase", "")}

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        return tree["metadata"]["name"], tree["status"].get("phase", ""), created(tree, now)
