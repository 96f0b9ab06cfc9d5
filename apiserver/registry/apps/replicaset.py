"""ReplicaSets: defaults, rules, Table rows.

Source: pkg/registry/apps/replicaset/strategy.go, pkg/apis/apps/validation, printReplicaSet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.apps.workload import (
    counts,
    selector_errors,
    selector_unchanged,
    template_errors,
)
from apiserver.registry.core.pod_defaults import default_template
from apiserver.registry.printing import POD_SET_COLUMNS, containers, created
from apiserver.registry.strategy import Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.pod_warnings import template_warnings
from apiserver.registry.validation.words import non_negative
from wherry.api import selectors
from wherry.api.apps_v1 import ReplicaSet
from wherry.api.errors import FieldError
from wherry.api.scheme import resource_of

_COUNTERS: Final = (
    "replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas",
    "terminatingReplicas", "observedGeneration",
)  # fmt: skip


class ReplicaSetStrategy(Strategy):
    """So many pods of one template."""

    resource = resource_of(ReplicaSet)
    has_generation = True
    columns = POD_SET_COLUMNS

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        if tree["spec"].get("replicas") is None:
            tree["spec"]["replicas"] = 1
        default_template(tree["spec"]["template"])

    def prepare_for_create(self, tree: Tree) -> None:
        tree["status"] = {"replicas": 0}

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["status"] = dict(old["status"])

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["spec"] = dict(old["spec"])

    def validate(self, tree: Tree) -> list[FieldError]:
        spec = tree["spec"]
        errors = non_negative(spec["replicas"], "spec.replicas")
        errors += non_negative(spec.get("minReadySeconds", 0), "spec.minReadySeconds")
        return errors + selector_errors(spec) + template_errors(spec)

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return self.validate(tree) + selector_unchanged(tree, old)

    def validate_status_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        bounded = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
        return counts(tree["status"], _COUNTERS, bounded)

    def warnings(self, tree: Tree, old: Mapping[str, Any] | None) -> list[str]:
        return template_warnings(tree, old)

    def selectable_fields(self, tree: Mapping[str, Any]) -> dict[str, str]:
        return {"status.replicas": str(tree["status"].get("replicas", 0))}

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        spec, status = tree["spec"], tree["status"]
        named, images = containers(spec["template"]["spec"])
        return (
            tree["metadata"]["name"],
            spec.get("replicas", 0),
            status.get("replicas", 0),
            status.get("readyReplicas", 0),
            created(tree, now),
            named,
            images,
            str(selectors.label_selector(spec["selector"])),
        )
