"""Deployments: defaults, rolling-update rules, Table rows.

Source: pkg/registry/apps/deployment/strategy.go, pkg/apis/apps/v1/defaults.go,
pkg/apis/apps/validation, printDeployment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.apps.workload import (
    amount,
    at_most_all,
    collisions_only_grow,
    counts,
    number,
    selector_errors,
    selector_unchanged,
    template_errors,
)
from apiserver.registry.core.pod_defaults import default_template
from apiserver.registry.printing import AGE, NAME, containers, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.pod_warnings import template_warnings
from apiserver.registry.validation.words import non_negative, unsupported
from wherry.api import selectors
from wherry.api.apps_v1 import Deployment
from wherry.api.errors import FieldError, forbidden_field, invalid, required
from wherry.api.scheme import resource_of

ROLLING: Final = "RollingUpdate"
RECREATE: Final = "Recreate"
STEP: Final = "25%"
HISTORY: Final = 10
PROGRESS_DEADLINE_SECONDS: Final = 600
_COUNTERS: Final = (
    "observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas",
    "unavailableReplicas", "terminatingReplicas", "collisionCount",
)  # fmt: skip


class DeploymentStrategy(Strategy):
    """Spec and status have separate writers; a new template means a new revision."""

    resource = resource_of(Deployment)
    has_generation = True
    columns = (
        NAME,
        Column("Ready", description="Ready pods of those wanted."),
        Column("Up-to-date", description="Pods of the newest template."),
        Column("Available", description="Pods ready for long enough."),
        AGE,
        Column("Containers", description="Names of the template's containers.", priority=1),
        Column("Images", description="Images of the template's containers.", priority=1),
        Column("Selector", description="Which pods are its own.", priority=1),
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        spec = tree["spec"]
        if spec.get("replicas") is None:
            spec["replicas"] = 1
        strategy = spec["strategy"]
        kind = strategy.setdefault("type", ROLLING)
        if kind == ROLLING:
            rolling = strategy.setdefault("rollingUpdate", {})
            rolling.setdefault("maxUnavailable", STEP)
            rolling.setdefault("maxSurge", STEP)
        spec.setdefault("revisionHistoryLimit", HISTORY)
        spec.setdefault("progressDeadlineSeconds", PROGRESS_DEADLINE_SECONDS)
        default_template(spec["template"])

    def prepare_for_create(self, tree: Tree) -> None:
        tree["status"] = {}

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["status"] = dict(old["status"])

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["spec"] = dict(old["spec"])
        if "labels" in old["metadata"]:
            tree["metadata"]["labels"] = dict(old["metadata"]["labels"])
        else:
            tree["metadata"].pop("labels", None)

    def validate(self, tree: Tree) -> list[FieldError]:
        spec = tree["spec"]
        errors = non_negative(spec["replicas"], "spec.replicas")
        errors += selector_errors(spec) + template_errors(spec) + _strategy(spec["strategy"])
        ready = spec.get("minReadySeconds", 0)
        errors += non_negative(ready, "spec.minReadySeconds")
        errors += non_negative(spec.get("revisionHistoryLimit"), "spec.revisionHistoryLimit")
        deadline = spec.get("progressDeadlineSeconds")
        if deadline is not None:
            path = "spec.progressDeadlineSeconds"
            errors += non_negative(deadline, path)
            if deadline <= ready:
                errors.append(invalid(path, deadline, "must be greater than minReadySeconds"))
        return errors

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return self.validate(tree) + selector_unchanged(tree, old)

    def validate_status_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        status = tree["status"]
        errors = counts(
            status, _COUNTERS, ("updatedReplicas", "readyReplicas", "availableReplicas")
        )
        return errors + collisions_only_grow(status, old)

    def warnings(self, tree: Tree, old: Mapping[str, Any] | None) -> list[str]:
        return template_warnings(tree, old)

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        spec, status = tree["spec"], tree["status"]
        named, images = containers(spec["template"]["spec"])
        return (
            tree["metadata"]["name"],
            f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
            status.get("updatedReplicas", 0),
            status.get("availableReplicas", 0),
            created(tree, now),
            named,
            images,
            str(selectors.label_selector(spec["selector"])),
        )


def _strategy(strategy: Mapping[str, Any]) -> list[FieldError]:
    path = "spec.strategy"
    kind, rolling = strategy.get("type", ""), strategy.get("rollingUpdate")
    if kind == RECREATE:
        if rolling is None:
            return []
        detail = "may not be specified when strategy `type` is 'Recreate'"
        return [forbidden_field(f"{path}.rollingUpdate", detail)]
    if kind != ROLLING:
        # Upstream prints its internal struct here.
        shown = {"Type": kind, "RollingUpdate": None}
        if rolling is not None:
            shown["RollingUpdate"] = {
                "MaxUnavailable": rolling.get("maxUnavailable", 0),
                "MaxSurge": rolling.get("maxSurge", 0),
            }
        return [unsupported(path, shown, (RECREATE, ROLLING))]
    if rolling is None:
        detail = "this should be defaulted and never be nil"
        return [required(f"{path}.rollingUpdate", detail)]
    return _rolling(rolling, f"{path}.rollingUpdate")


def _rolling(rolling: Mapping[str, Any], path: str) -> list[FieldError]:
    unavailable, surge = rolling["maxUnavailable"], rolling["maxSurge"]
    errors = amount(unavailable, f"{path}.maxUnavailable") + amount(surge, f"{path}.maxSurge")
    if number(unavailable) == 0 and number(surge) == 0:
        detail = "may not be 0 when `maxSurge` is 0"
        errors.append(invalid(f"{path}.maxUnavailable", unavailable, detail))
    return errors + at_most_all(unavailable, f"{path}.maxUnavailable")
