"""Ingresses: HTTP hosts and paths, and the Services behind them.

Source: pkg/registry/networking/ingress/strategy.go, printIngress.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.printing import AGE, NAME, NONE, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.ingress import (
    CLASS_ANNOTATION,
    validate_ingress,
    validate_ingress_status,
    validate_new_ingress,
)
from apiserver.registry.validation.metadata import subdomain_name
from wherry.api.errors import FieldError
from wherry.api.networking_v1 import Ingress
from wherry.api.scheme import resource_of

HOSTS_SHOWN_MAX: Final = 3
ADDRESSES_WIDTH_MAX: Final = 16
_ANNOTATION_DEPRECATED: Final = (
    f"annotation \"{CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead"
)


class IngressStrategy(Strategy):
    """Spec and status have separate writers."""

    resource = resource_of(Ingress)
    has_generation = True
    columns = (
        NAME,
        Column("Class", description="Which controller serves it."),
        Column("Hosts", description="The names it answers to."),
        Column("Address", description="Where its load balancer is."),
        Column("Ports", description="The ports that are open."),
        AGE,
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def prepare_for_create(self, tree: Tree) -> None:
        tree["status"] = {"loadBalancer": {}}

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["status"] = dict(old["status"])

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["spec"] = dict(old["spec"])

    def validate(self, tree: Tree) -> list[FieldError]:
        return validate_new_ingress(tree)

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return validate_ingress(tree, old)

    def validate_status_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return validate_ingress_status(tree)

    def warnings(self, tree: Tree, old: Mapping[str, Any] | None) -> list[str]:
        if old is None and CLASS_ANNOTATION in tree["metadata"].get("annotations", {}):
            return [_ANNOTATION_DEPRECATED]
        return []

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        spec = tree["spec"]
        return (
            tree["metadata"]["name"],
            spec.get("ingressClassName", NONE),
            _hosts(spec.get("rules", ())),
            _addresses(tree["status"]["loadBalancer"].get("ingress", ())),
            "80, 443" if spec.get("tls") else "80",
            created(tree, now),
        )


def _hosts(rules: Sequence[Mapping[str, Any]]) -> str:
    hosts = [rule["host"] for rule in rules if rule.get("host")]
    shown = ",".join(hosts[:HOSTS_SHOWN_MAX])
    if len(hosts) > HOSTS_SHOWN_MAX:
        return f"{shown} + {len(hosts) - HOSTS_SHOWN_MAX} more..."
    return shown or "*"


def _addresses(found: Sequence[Mapping[str, Any]]) -> str:
    shown = ",".join(sorted({one.get("ip") or one.get("hostname", "") for one in found} - {""}))
    cut = len(shown) > ADDRESSES_WIDTH_MAX
    return f"{shown[: ADDRESSES_WIDTH_MAX - 3]}..." if cut else shown
