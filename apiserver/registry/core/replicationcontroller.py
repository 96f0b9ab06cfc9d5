"""ReplicationControllers: defaults, rules, Table rows.

Source: pkg/registry/core/replicationcontroller/strategy.go, pkg/apis/core/v1/defaults.go,
ValidateReplicationControllerSpec of pkg/apis/core/validation, printReplicationController.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.apps.workload import counts, runs_for_ever
from apiserver.registry.core.pod_defaults import default_template
from apiserver.registry.printing import POD_SET_COLUMNS, containers, created, label_map
from apiserver.registry.strategy import Strategy, Tree
from apiserver.registry.validation.pod_template import validate_template
from apiserver.registry.validation.pod_warnings import changed_template_warnings
from apiserver.registry.validation.words import non_negative
from wherry.api import names
from wherry.api.core_v1 import ReplicationController
from wherry.api.errors import FieldError, invalid, required
from wherry.api.scheme import resource_of
from wherry.api.selectors import match_labels

_COUNTERS: Final = (
    "replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas",
    "observedGeneration",
)  # fmt: skip
_NO_POD: Final[Mapping[str, Any]] = {}


class ReplicationControllerStrategy(Strategy):
    """What ReplicaSets were before they could select by expressions."""

    resource = resource_of(ReplicationController)
    has_generation = True
    default_propagation = "Orphan"
    columns = POD_SET_COLUMNS

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        masked = names.mask_trailing_dash(name) if prefix else name
        return names.dns1123_subdomain(masked, unit="bytes")

    def default(self, tree: Tree) -> None:
        spec = tree["spec"]
        if template := spec.get("template"):
            if labels := template["metadata"].get("labels"):
                if not spec.get("selector"):
                    spec["selector"] = dict(labels)
                if not tree["metadata"].get("labels"):
                    tree["metadata"]["labels"] = dict(labels)
            default_template(template)
        if spec.get("replicas") is None:
            spec["replicas"] = 1

    def prepare_for_create(self, tree: Tree) -> None:
        tree["status"] = {"replicas": 0}

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["status"] = dict(old["status"])

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["spec"] = dict(old["spec"])

    def validate(self, tree: Tree) -> list[FieldError]:
        spec = tree["spec"]
        selector, template = spec.get("selector", {}), spec.get("template")
        errors = non_negative(spec.get("minReadySeconds", 0), "spec.minReadySeconds")
        if not selector:
            errors.append(required("spec.selector"))
        errors += non_negative(spec["replicas"], "spec.replicas")
        if template is None:
            return [*errors, required("spec.template")]
        labels = template["metadata"].get("labels")
        if not match_labels(selector).matches(labels or {}):
            detail = "`selector` does not match template `labels`"
            errors.append(invalid("spec.template.metadata.labels", labels, detail))
        errors += validate_template(template, "spec.template")
        return errors + runs_for_ever(template, "spec.template", "ReplicationController")

    def validate_status_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        bounded = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
        return counts(tree["status"], _COUNTERS, bounded)

    def warnings(self, tree: Tree, old: Mapping[str, Any] | None) -> list[str]:
        template = tree["spec"].get("template")
        if template is None:
            return []
        before = None if old is None else old["spec"].get("template")
        return changed_template_warnings(template, before, "spec.template")

    def selectable_fields(self, tree: Mapping[str, Any]) -> dict[str, str]:
        return {"status.replicas": str(tree["status"].get("replicas", 0))}

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        spec, status = tree["spec"], tree["status"]
        named, images = containers((spec.get("template") or {}).get("spec", _NO_POD))
        return (
            tree["metadata"]["name"],
            spec.get("replicas", 0),
            status.get("replicas", 0),
            status.get("readyReplicas", 0),
            created(tree, now),
            named,
            images,
            label_map(spec.get("selector")),
        )
