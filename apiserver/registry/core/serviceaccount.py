"""ServiceAccounts.

Source: pkg/registry/core/serviceaccount/strategy.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.strategy import Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from wherry.api.core_v1 import ServiceAccount
from wherry.api.scheme import resource_of


class ServiceAccountStrategy(Strategy):
    """Its secrets are named, never referred to in full."""

    resource = resource_of(ServiceAccount)
    columns = (NAME, AGE)

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def prepare_for_create(self, tree: Tree) -> None:
        _keep_names(tree)

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        _keep_names(tree)

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        return tree["metadata"]["name"], created(tree, now)


def _keep_names(tree: Tree) -> None:
    if secrets := tree.get("secrets"):
        tree["secrets"] = [{"name": one["name"]} if one.get("name") else {} for one in secrets]
