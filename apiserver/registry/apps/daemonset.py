"""DaemonSets: defaults, rolling-update rules, Table rows.

Their template's generation, a field of old versions, lives on as an annotation.

Source: pkg/registry/apps/daemonset/strategy.go, pkg/apis/apps/v1/{defaults,conversion}.go,
pkg/apis/apps/validation, printDaemonSet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.apps.workload import (
    amount,
    at_most_all,
    collisions_only_grow,
    matches_template,
    number,
    runs_for_ever,
    selector_unchanged,
)
from apiserver.registry.core.pod_defaults import default_template
from apiserver.registry.printing import AGE, NAME, containers, created, label_map, label_selection
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.pod_template import validate_template
from apiserver.registry.validation.pod_warnings import template_warnings
from apiserver.registry.validation.selector import is_empty, is_sound, label_selector
from apiserver.registry.validation.words import non_negative, unsupported
from wherry.api.apps_v1 import DaemonSet
from wherry.api.errors import FieldError, invalid, required
from wherry.api.numerals import whole
from wherry.api.scheme import resource_of

ROLLING: Final = "RollingUpdate"
ON_DELETE: Final = "OnDelete"
HISTORY: Final = 10
TEMPLATE_GENERATION: Final = "deprecated.daemonset.template.generation"
_STARTED: Final = (
    "currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady",
)  # fmt: skip
_COUNTERS: Final = (
    *_STARTED, "observedGeneration", "updatedNumberScheduled", "numberAvailable",
    "numberUnavailable", "collisionCount",
)  # fmt: skip


class DaemonSetStrategy(Strategy):
    """A pod of one template on every node that suits it."""

    resource = resource_of(DaemonSet)
    has_generation = True
    columns = (
        NAME,
        Column("Desired", "integer", description="Nodes that should run a pod."),
        Column("Current", "integer", description="Nodes that run a pod and should."),
        Column("Ready", "integer", description="Nodes whose pod is ready."),
        Column("Up-to-date", "integer", description="Nodes with a pod of the newest template."),
        Column("Available", "integer", description="Nodes whose pod is ready for long enough."),
        Column("Node Selector", description="Labels a node must have."),
        AGE,
        Column("Containers", description="Names of the template's containers.", priority=1),
        Column("Images", description="Images of the template's containers.", priority=1),
        Column("Selector", description="Which pods are its own.", priority=1),
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        spec = tree["spec"]
        strategy = spec["updateStrategy"]
        if strategy.setdefault("type", ROLLING) == ROLLING:
            rolling = strategy.setdefault("rollingUpdate", {})
            rolling.setdefault("maxUnavailable", 1)
            rolling.setdefault("maxSurge", 0)
        spec.setdefault("revisionHistoryLimit", HISTORY)
        default_template(spec["template"])

    def prepare_for_create(self, tree: Tree) -> None:
        tree["status"] = dict.fromkeys(_STARTED, 0)
        _write_template_generation(tree, max(_template_generation(tree), 1))

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["status"] = dict(old["status"])
        changed = tree["spec"]["template"] != old["spec"]["template"]
        _write_template_generation(tree, _template_generation(old) + changed)

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["spec"] = dict(old["spec"])

    def validate(self, tree: Tree) -> list[FieldError]:
        spec = tree["spec"]
        selector, template = spec["selector"], spec["template"]
        errors = label_selector(selector, "spec.selector")
        if selector is None or is_sound(selector):
            errors += matches_template(selector, template, "spec.template")
        if selector is not None and is_empty(selector):
            detail = "empty selector is invalid for daemonset"
            errors.append(invalid("spec.selector", selector, detail))
        errors += validate_template(template, "spec.template")
        errors += runs_for_ever(template, "spec.template", "DaemonSet")
        errors += non_negative(spec.get("minReadySeconds", 0), "spec.minReadySeconds")
        errors += _strategy(spec["updateStrategy"], "spec.updateStrategy")
        return errors + non_negative(spec["revisionHistoryLimit"], "spec.revisionHistoryLimit")

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return self.validate(tree) + selector_unchanged(tree, old)

    def validate_status_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        status = tree["status"]
        errors: list[FieldError] = []
        for field in _COUNTERS:
            errors += non_negative(status.get(field, 0), f"status.{field}")
        return errors + collisions_only_grow(status, old)

    def warnings(self, tree: Tree, old: Mapping[str, Any] | None) -> list[str]:
        return template_warnings(tree, old)

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        spec, status = tree["spec"], tree["status"]
        pod = spec["template"]["spec"]
        named, images = containers(pod)
        return (
            tree["metadata"]["name"],
            status.get("desiredNumberScheduled", 0),
            status.get("currentNumberScheduled", 0),
            status.get("numberReady", 0),
            status.get("updatedNumberScheduled", 0),
            status.get("numberAvailable", 0),
            label_map(pod.get("nodeSelector")),
            created(tree, now),
            named,
            images,
            label_selection(spec["selector"]),
        )


def _template_generation(tree: Mapping[str, Any]) -> int:
    text = tree["metadata"].get("annotations", {}).get(TEMPLATE_GENERATION, "")
    return whole(text) or 0


def _write_template_generation(tree: Tree, generation: int) -> None:
    annotations = tree["metadata"].get("annotations", {})
    annotations = {**annotations, TEMPLATE_GENERATION: str(generation)}
    tree["metadata"]["annotations"] = {key: annotations[key] for key in sorted(annotations)}


def _strategy(strategy: Mapping[str, Any], path: str) -> list[FieldError]:
    kind, rolling = strategy["type"], strategy.get("rollingUpdate")
    if kind == ON_DELETE:
        return []
    if kind != ROLLING:
        # Upstream prints its internal struct here.
        shown = {"Type": kind, "RollingUpdate": rolling}
        return [unsupported(path, shown, (ROLLING, ON_DELETE))]
    if rolling is None:
        return [required(f"{path}.rollingUpdate")]
    unavailable, surge = rolling["maxUnavailable"], rolling["maxSurge"]
    fields = ((unavailable, f"{path}.rollingUpdate.maxUnavailable"),
              (surge, f"{path}.rollingUpdate.maxSurge"))  # fmt: skip
    errors: list[FieldError] = []
    for check in (amount, at_most_all):
        for value, at in fields:
            errors += check(value, at)
    if number(unavailable) and number(surge):
        detail = "may not be set when maxUnavailable is non-zero"
        errors.append(invalid(f"{path}.rollingUpdate.maxSurge", surge, detail))
    elif not number(unavailable) and not number(surge):
        detail = "cannot be 0 when maxSurge is 0"
        errors.append(required(f"{path}.rollingUpdate.maxUnavailable", detail))
    return errors
