"""What Deployments and ReplicaSets share: replicas, a selector and a pod template.

Source: pkg/apis/apps/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apiserver.registry.validation.pod_template import validate_template
from apiserver.registry.validation.selector import is_empty, is_sound, label_selector
from apiserver.registry.validation.words import immutable, non_negative, unsupported
from wherry.api import selectors
from wherry.api.errors import FieldError, forbidden_field, invalid, required

Tree = Mapping[str, Any]
_TOO_GREAT: Final = "cannot be greater than status.replicas"


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
    # An absent selector selects nothing, an empty one everything.
    if selector is None or not selectors.label_selector(selector).matches(labels or {}):
        detail = "`selector` does not match template `labels`"
        errors.append(invalid(f"{path}.metadata.labels", labels, detail))
    errors += validate_template(template, path)
    policy = template["spec"].get("restartPolicy", "")
    if policy != "Always":
        errors.append(unsupported(f"{path}.spec.restartPolicy", policy, ("Always",)))
    if template["spec"].get("activeDeadlineSeconds") is not None:
        detail = "activeDeadlineSeconds in ReplicaSet is not Supported"
        errors.append(forbidden_field(f"{path}.spec.activeDeadlineSeconds", detail))
    return errors


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
