"""ControllerRevisions: immutable snapshots of a workload's template.

Source: pkg/apis/apps/validation (ValidateControllerRevision).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apiserver.registry.printing import AGE, NAME, NONE, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.words import immutable, non_negative
from wherry.api.apps_v1 import ControllerRevision
from wherry.api.errors import FieldError, required
from wherry.api.scheme import resource_of


class ControllerRevisionStrategy(Strategy):
    """`data` is whatever its controller put there."""

    resource = resource_of(ControllerRevision)
    columns = (
        NAME,
        Column("Controller", description="Whose history this is."),
        Column("Revision", description="Its number in that history."),
        AGE,
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def validate(self, tree: Tree) -> list[FieldError]:
        errors = [required("data", "data is mandatory")] if tree.get("data") is None else []
        return errors + non_negative(tree["revision"], "revision")

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return self.validate(tree) + immutable(tree.get("data"), old.get("data"), "data")

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        return (
            tree["metadata"]["name"],
            _controller(tree["metadata"]),
            tree["revision"],
            created(tree, now),
        )


def _controller(metadata: Mapping[str, Any]) -> str:
    """The owning controller as `deployment.apps/name`."""
    for owner in metadata.get("ownerReferences", ()):
        if owner.get("controller"):
            group = owner["apiVersion"].rpartition("/")[0]
            kind = f"{owner['kind']}.{group}" if group else owner["kind"]
            return f"{kind.lower()}/{owner['name']}"
    return NONE
