"""What workloads share: a selector, a pod template, counters, counts or percentages.

Source: pkg/apis/apps/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apiserver.registry.validation.pod_template import validate_template
from apiserver.registry.validation.selector import is_empty, is_sound, label_selector
from apiserver.registry.validation.words import immutable, invalids, non_negative, unsupported
from wherry.api import names, selectors
from wherry.api.errors import FieldError, forbidden_field, invalid, required
from wherry.api.numerals import whole

Tree = Mapping[str, Any]
_TOO_GREAT: Final = "cannot be greater than status.replicas"
_MISMATCH: Final = "`selector` does not match template `labels`"


def selector_errors(spec: Tree) -> list[FieldError]:
    """A workload must select something, and say so soundly."""
    selector = spec["selector"]
    if selector is None:
        return [required("spec.selector")]
    errors = label_selector(selector, "spec.selector")
    if is_empty(selector):
        detail = "empty selector is invalid for deployment"
        errors.append(invalid("spec.selector", selector, detail))
    return errors


def template_errors(spec: Tree) -> list[FieldError]:
    """The template must be a pod that the selector matches and that runs for ever."""
    selector, template, path = spec["selector"], spec["template"], "spec.template"
    if selector is not None and not is_sound(selector):
        return [invalid("spec.selector", selector, "invalid label selector")]
    errors: list[FieldError] = []
    labels = template["metadata"].get("labels")
    if not selects(selector, labels):
        errors.append(invalid(f"{path}.metadata.labels", labels, _MISMATCH))
    return errors + validate_template(template, path) + runs_for_ever(template, path, "ReplicaSet")


def selects(selector: Tree | None, labels: Mapping[str, str] | None) -> bool:
    """Whether a sound selector matches; an absent one selects nothing, an empty one everything."""
    return selector is not None and selectors.label_selector(selector).matches(labels or {})


def matches_template(selector: Tree | None, template: Tree, path: str) -> list[FieldError]:
    """The template's labels must be such that its pods are the workload's own."""
    labels = template["metadata"].get("labels")
    if selects(selector, labels):
        return []
    return [invalid(f"{path}.metadata.labels", labels, _MISMATCH)]


def runs_for_ever(template: Tree, path: str, kind: str) -> list[FieldError]:
    """Pods of this kind are restarted whenever they end."""
    errors: list[FieldError] = []
    policy = template["spec"].get("restartPolicy", "")
    if policy != "Always":
        errors.append(unsupported(f"{path}.spec.restartPolicy", policy, ("Always",)))
    if template["spec"].get("activeDeadlineSeconds") is not None:
        detail = f"activeDeadlineSeconds in {kind} is not Supported"
        errors.append(forbidden_field(f"{path}.spec.activeDeadlineSeconds", detail))
    return errors


def amount(value: int | str, path: str) -> list[FieldError]:
    """A count or a percentage, not negative."""
    if isinstance(value, str):
        return invalids(path, value, names.percent(value))
    return non_negative(value, path)


def at_most_all(value: int | str, path: str) -> list[FieldError]:
    """A percentage is not more than everything."""
    if isinstance(value, str) and number(value) > 100:
        return [invalid(path, value, "must not be greater than 100%")]
    return []


def number(value: int | str) -> int:
    """The number in a count or percentage; 0 in anything else, as upstream reads it."""
    if isinstance(value, int):
        return value
    digits = value.removesuffix("%")
    return (whole(digits) or 0) if value.endswith("%") else 0


def collisions_only_grow(status: Tree, old: Tree) -> list[FieldError]:
    collisions = status.get("collisionCount", 0)
    if collisions < old["status"].get("collisionCount", 0):
        return [invalid("status.collisionCount", collisions, "cannot be decremented")]
    return []


def selector_unchanged(tree: Tree, old: Tree) -> list[FieldError]:
    return immutable(tree["spec"]["selector"], old["spec"]["selector"], "spec.selector")


def counts(status: Tree, fields: tuple[str, ...], bounded: tuple[str, ...]) -> list[FieldError]:
    """Counters of a status: none negative, and parts no greater than the whole."""
    errors: list[FieldError] = []
    for field in fields:
        errors += non_negative(status.get(field, 0), f"status.{field}")
    replicas = status.get("replicas", 0)
    for field in bounded:
        if status.get(field, 0) > replicas:
            errors.append(invalid(f"status.{field}", status[field], _TOO_GREAT))
    available, ready = status.get("availableReplicas", 0), status.get("readyReplicas", 0)
    if available > ready:
        detail = "cannot be greater than readyReplicas"
        errors.append(invalid("status.availableReplicas", available, detail))
    return errors
