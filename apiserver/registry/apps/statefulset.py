"""StatefulSets: defaults, rules, Table rows.

Source: pkg/registry/apps/statefulset/strategy.go, pkg/apis/apps/v1/defaults.go,
pkg/apis/apps/validation, printStatefulSet.
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
    matches_template,
    number,
    runs_for_ever,
)
from apiserver.registry.core.pod_defaults import default_template
from apiserver.registry.printing import AGE, NAME, containers, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import label_name
from apiserver.registry.validation.persistent_volume_claim import validate_claim_spec
from apiserver.registry.validation.pod_template import validate_template
from apiserver.registry.validation.pod_warnings import template_warnings
from apiserver.registry.validation.selector import is_empty, is_sound, label_selector
from apiserver.registry.validation.words import each, invalids, non_negative
from wherry.api import names
from wherry.api.apps_v1 import StatefulSet
from wherry.api.errors import FieldError, forbidden_field, invalid, not_supported, required
from wherry.api.scheme import resource_of

ROLLING: Final = "RollingUpdate"
ON_DELETE: Final = "OnDelete"
ORDERED: Final = "OrderedReady"
PARALLEL: Final = "Parallel"
HISTORY: Final = 10
RETENTIONS: Final = ("Delete", "Retain")
_COUNTERS: Final = (
    "replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas",
    "observedGeneration", "collisionCount",
)  # fmt: skip
_BOUNDED: Final = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
_MUTABLE: Final = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip
_FIXED: Final = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
    "'minReadySeconds' are forbidden"
)


class StatefulSetStrategy(Strategy):
    """Pods that keep a name and storage each."""

    resource = resource_of(StatefulSet)
    has_generation = True
    columns = (
        NAME,
        Column("Ready", description="Ready pods of those wanted."),
        AGE,
        Column("Containers", description="Names of the template's containers.", priority=1),
        Column("Images", description="Images of the template's containers.", priority=1),
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return label_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        spec = tree["spec"]
        if not spec.get("podManagementPolicy"):
            spec["podManagementPolicy"] = ORDERED
        strategy = spec["updateStrategy"]
        if not strategy.get("type"):
            strategy["type"] = ROLLING
            strategy.setdefault("rollingUpdate", {})
        if strategy["type"] == ROLLING and "rollingUpdate" in strategy:
            strategy["rollingUpdate"].setdefault("partition", 0)
        retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
        for field in ("whenDeleted", "whenScaled"):
            retention.setdefault(field, "Retain")
        if spec.get("replicas") is None:
            spec["replicas"] = 1
        spec.setdefault("revisionHistoryLimit", HISTORY)
        default_template(spec["template"])
        if claims := spec.get("volumeClaimTemplates"):
            spec["volumeClaimTemplates"] = [_claim(one) for one in claims]

    def prepare_for_create(self, tree: Tree) -> None:
        tree["status"] = {"replicas": 0, "availableReplicas": 0}

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["status"] = dict(old["status"])

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        tree["spec"] = dict(old["spec"])

    def validate(self, tree: Tree) -> list[FieldError]:
        return self._validate(tree["spec"], None)

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        spec, before = tree["spec"], old["spec"]
        errors = self._validate(spec, before)
        fixed = (spec.keys() | before.keys()) - set(_MUTABLE)
        if any(spec.get(field) != before.get(field) for field in fixed):
            errors.append(forbidden_field("spec", _FIXED))
        return errors

    def _validate(self, spec: Tree, old: Mapping[str, Any] | None) -> list[FieldError]:
        errors = _policies(spec, "spec")
        errors += non_negative(spec["replicas"], "spec.replicas")
        errors += non_negative(spec.get("minReadySeconds", 0), "spec.minReadySeconds")
        if ordinals := spec.get("ordinals"):
            errors += non_negative(ordinals.get("start", 0), "spec.ordinals.start")
        errors += non_negative(spec["revisionHistoryLimit"], "spec.revisionHistoryLimit")
        name = spec.get("serviceName", "")
        if name and (old is None or old.get("serviceName") != name):
            errors += invalids("spec.serviceName", name, names.dns1123_subdomain(name))
        errors += _selection(spec)
        claims = spec.get("volumeClaimTemplates", ())
        if old is None or claims != old.get("volumeClaimTemplates", ()):
            errors += each(
                claims,
                "spec.volumeClaimTemplates",
                lambda one, at: validate_claim_spec(one["spec"], f"{at}.spec"),
            )
        return errors

    def validate_status_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return counts(tree["status"], _COUNTERS, _BOUNDED) + collisions_only_grow(
            tree["status"], old
        )

    def warnings(self, tree: Tree, old: Mapping[str, Any] | None) -> list[str]:
        return template_warnings(tree, old)

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        spec, status = tree["spec"], tree["status"]
        named, images = containers(spec["template"]["spec"])
        ready = f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}"
        return (tree["metadata"]["name"], ready, created(tree, now), named, images)


def _claim(claim: Tree) -> Tree:
    """A claim template as the API shows it: a whole object."""
    claim["spec"].setdefault("volumeMode", "Filesystem")
    claim["status"].setdefault("phase", "Pending")
    return {"kind": "PersistentVolumeClaim", "apiVersion": "v1", **claim}


def _policies(spec: Tree, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    management = spec["podManagementPolicy"]
    if management not in (ORDERED, PARALLEL):
        detail = f"must be '{ORDERED}' or '{PARALLEL}'"
        errors.append(invalid(f"{path}.podManagementPolicy", management, detail))
    errors += _strategy(spec["updateStrategy"], f"{path}.updateStrategy")
    retention, at = (
        spec["persistentVolumeClaimRetentionPolicy"],
        "persistentVolumeClaimRetentionPolicy",
    )
    return errors + [
        not_supported(f"{path}.{at}.{field}", retention[field], RETENTIONS)
        for field in ("whenDeleted", "whenScaled")
        if retention[field] not in RETENTIONS
    ]


def _strategy(strategy: Tree, path: str) -> list[FieldError]:
    kind, rolling = strategy["type"], strategy.get("rollingUpdate")
    if kind == ON_DELETE:
        detail = f"only allowed for updateStrategy '{ROLLING}'"
        return [] if rolling is None else [invalid(f"{path}.rollingUpdate", rolling, detail)]
    if kind != ROLLING:
        return [invalid(path, dict(strategy), f"must be '{ROLLING}' or '{ON_DELETE}'")]
    if rolling is None:
        return []
    at = f"{path}.rollingUpdate"
    errors = non_negative(rolling.get("partition", 0), f"{at}.partition")
    unavailable = rolling.get("maxUnavailable")
    if unavailable is not None:
        at = f"{at}.maxUnavailable"
        errors += amount(unavailable, at)
        if number(unavailable) == 0:
            errors.append(invalid(at, unavailable, "cannot be 0"))
        errors += at_most_all(unavailable, at)
    return errors


def _selection(spec: Tree) -> list[FieldError]:
    selector, template, path = spec["selector"], spec["template"], "spec.template"
    errors: list[FieldError] = []
    if selector is None:
        errors.append(required("spec.selector"))
    else:
        errors += label_selector(selector, "spec.selector")
        if is_empty(selector):
            detail = "empty selector is invalid for statefulset"
            errors.append(invalid("spec.selector", selector, detail))
    if selector is not None and not is_sound(selector):
        return [*errors, invalid("spec.selector", selector, "")]
    errors += matches_template(selector, template, path)
    errors += validate_template(_with_claims(template, spec.get("volumeClaimTemplates", ())), path)
    return errors + runs_for_ever(template, path, "StatefulSet")


def _with_claims(template: Tree, claims: Sequence[Mapping[str, Any]]) -> Tree:
    """The template with the volumes that the claims will give each pod."""
    if not claims:
        return template
    pod = template["spec"]
    named = [one["metadata"].get("name", "") for one in claims]
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in named]
    kept = [one for one in pod.get("volumes", ()) if one.get("name") not in named]
    return {**template, "spec": {**pod, "volumes": [*kept, *volumes]}}
