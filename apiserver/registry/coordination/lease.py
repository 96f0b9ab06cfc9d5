"""Leases: heart-beats of nodes and leaders.

Source: pkg/registry/coordination/lease, pkg/apis/coordination/validation. Coordinated leader election
is off by default upstream: `strategy` and `preferredHolder` are dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.words import POSITIVE, non_negative
from wherry.api.coordination_v1 import Lease
from wherry.api.errors import FieldError, invalid
from wherry.api.scheme import resource_of


class LeaseStrategy(Strategy):
    """Whoever writes it holds it until `leaseDurationSeconds` after `renewTime`."""

    resource = resource_of(Lease)
    allow_create_on_update = True
    allow_unconditional_update = False
    columns = (NAME, Column("Holder", description="Who holds it."), AGE)

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def prepare_for_create(self, tree: Tree) -> None:
        for field in ("strategy", "preferredHolder"):
            tree["spec"].pop(field, None)

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        self.prepare_for_create(tree)

    def validate(self, tree: Tree) -> list[FieldError]:
        spec = tree["spec"]
        errors: list[FieldError] = []
        duration = spec.get("leaseDurationSeconds")
        if duration is not None and duration <= 0:
            errors.append(invalid("spec.leaseDurationSeconds", duration, POSITIVE))
        return errors + non_negative(spec.get("leaseTransitions"), "spec.leaseTransitions")

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        holder = tree["spec"].get("holderIdentity", "")
        return tree["metadata"]["name"], holder, created(tree, now)
