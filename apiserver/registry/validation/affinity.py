"""Where a pod wants to run: affinity, tolerations, spreading.

Source: validateAffinity, ValidateTolerations, validateTopologySpreadConstraints of
pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from apiserver.registry.validation.selector import label_selector
from apiserver.registry.validation.words import each, invalids, unsupported
from wherry.api import names
from wherry.api.errors import (
    FieldError,
    duplicate,
    forbidden_field,
    invalid,
    not_supported,
    required,
)  # fmt: skip

Tree = Mapping[str, Any]

REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_UNSATISFIABLE: Final = ("DoNotSchedule", "ScheduleAnyway")
_INCLUSION: Final = ("Honor", "Ignore")


def validate_affinity(affinity: Tree | None, path: str) -> list[FieldError]:
    if not affinity:
        return []
    errors: list[FieldError] = []
    if (node := affinity.get("nodeAffinity")) is not None:
        errors += _node_affinity(node, f"{path}.nodeAffinity")
    for field in ("podAffinity", "podAntiAffinity"):
        if (found := affinity.get(field)) is not None:
            errors += _pod_affinity(found, f"{path}.{field}")
    return errors


def _node_affinity(affinity: Tree, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if (selector := affinity.get(REQUIRED)) is not None:
        errors += node_selector(selector, f"{path}.{REQUIRED}")
    for index, preferred in enumerate(affinity.get(PREFERRED, ())):
        at = f"{path}.{PREFERRED}[{index}]"
        errors += _weight(preferred["weight"], at)
        errors += _node_term(preferred["preference"], f"{at}.preference")
    return errors


def node_selector(selector: Tree, path: str) -> list[FieldError]:
    """Terms of which one must fit a node."""
    terms, at = selector["nodeSelectorTerms"] or (), f"{path}.nodeSelectorTerms"
    if not terms:
        return [required(at, "must have at least one node selector term")]
    return each(terms, at, _node_term)


def _weight(weight: int, path: str) -> list[FieldError]:
    if 1 <= weight <= 100:
        return []
    return [invalid(f"{path}.weight", weight, "must be in the range 1-100")]


def _node_term(term: Tree, path: str) -> list[FieldError]:
    errors = each(term.get("matchExpressions", ()), f"{path}.matchExpressions", _node_expression)
    return errors + each(term.get("matchFields", ()), f"{path}.matchFields", _node_field)


def _node_expression(requirement: Tree, path: str) -> list[FieldError]:
    operator, values = requirement["operator"], requirement.get("values", ())
    errors: list[FieldError] = []
    at = f"{path}.values"
    if operator in ("In", "NotIn"):
        if not values:
            errors.append(required(at, "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(forbidden_field(at, detail))
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            detail = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            errors.append(required(at, detail))
    else:
        errors.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))
    errors += invalids(f"{path}.key", requirement["key"], names.label_key(requirement["key"]))
    return errors + each(
        values, at, lambda value, here: invalids(here, value, names.label_value(value))
    )


def _node_field(requirement: Tree, path: str) -> list[FieldError]:
    operator, values = requirement["operator"], requirement.get("values", ())
    errors: list[FieldError] = []
    if operator not in ("In", "NotIn"):
        errors.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))
    elif len(values) != 1:
        detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        errors.append(required(f"{path}.values", detail))
    if requirement["key"] != "metadata.name":
        detail = "not a valid field selector key"
        return [*errors, invalid(f"{path}.key", requirement["key"], detail)]
    return errors + each(
        values,
        f"{path}.values",
        lambda value, at: invalids(at, value, names.dns1123_subdomain(value)),
    )


def _pod_affinity(affinity: Tree, path: str) -> list[FieldError]:
    errors = each(affinity.get(REQUIRED, ()), f"{path}.{REQUIRED}", _pod_term)
    for index, preferred in enumerate(affinity.get(PREFERRED, ())):
        at = f"{path}.{PREFERRED}[{index}]"
        errors += _weight(preferred["weight"], at)
        errors += _pod_term(preferred["podAffinityTerm"], f"{at}.podAffinityTerm")
    return errors


def _pod_term(term: Tree, path: str) -> list[FieldError]:
    errors = label_selector(term.get("labelSelector"), f"{path}.labelSelector")
    errors += label_selector(term.get("namespaceSelector"), f"{path}.namespaceSelector")
    for namespace in term.get("namespaces", ()):
        errors += invalids(f"{path}.namespace", namespace, names.dns1123_label(namespace))
    for field in ("matchLabelKeys", "mismatchLabelKeys"):
        keys = term.get(field, ())
        if keys and term.get("labelSelector") is None:
            detail = "must not be specified when labelSelector is not set"
            errors.append(forbidden_field(f"{path}.{field}", detail))
        errors += each(keys, f"{path}.{field}", lambda k, at: invalids(at, k, names.label_key(k)))
    key = term["topologyKey"]
    if not key:
        errors.append(required(f"{path}.topologyKey", "can not be empty"))
    return errors + invalids(f"{path}.topologyKey", key, names.label_key(key))


def validate_tolerations(tolerations: Sequence[Tree], path: str) -> list[FieldError]:
    return each(tolerations, path, _toleration)


def _toleration(toleration: Tree, path: str) -> list[FieldError]:
    key, operator = toleration.get("key", ""), toleration.get("operator", "")
    value, effect = toleration.get("value", ""), toleration.get("effect", "")
    errors = invalids(f"{path}.key", key, names.label_key(key)) if key else []
    if not key and operator != "Exists":
        detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        errors.append(invalid(f"{path}.operator", operator, detail))
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        errors.append(invalid(f"{path}.effect", effect, detail))
    if operator in ("", "Equal"):
        if problems := names.label_value(value):
            errors.append(invalid(f"{path}.operator", value, ";".join(problems)))
    elif operator == "Exists":
        if value:
            detail = "value must be empty when `operator` is 'Exists'"
            errors.append(invalid(f"{path}.operator", dict(toleration), detail))
    else:
        errors.append(not_supported(f"{path}.operator", operator, ("Equal", "Exists")))
    if effect and effect not in EFFECTS:
        errors.append(unsupported(f"{path}.effect", effect, EFFECTS))
    return errors


def validate_spreading(constraints: Sequence[Tree], path: str) -> list[FieldError]:
    """Topology spread constraints."""
    errors: list[FieldError] = []
    for index, one in enumerate(constraints):
        at = f"{path}[{index}]"
        errors += _spread(one, at)
        tuple_ = one["topologyKey"], one["whenUnsatisfiable"]
        for other in constraints[index + 1 :]:
            if (other["topologyKey"], other["whenUnsatisfiable"]) == tuple_:
                shown = f"{{{tuple_[0]}, {tuple_[1]}}}"
                errors.append(duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", shown))
    return errors


def _spread(one: Tree, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if one["maxSkew"] <= 0:
        errors.append(invalid(f"{path}.maxSkew", one["maxSkew"], "must be greater than zero"))
    key, action = one["topologyKey"], one["whenUnsatisfiable"]
    if not key:
        errors.append(required(f"{path}.topologyKey", "can not be empty"))
    if action not in _UNSATISFIABLE:
        errors.append(not_supported(f"{path}.whenUnsatisfiable", action, _UNSATISFIABLE))
    domains = one.get("minDomains")
    if domains is not None:
        at = f"{path}.minDomains"
        if domains <= 0:
            errors.append(invalid(at, domains, "must be greater than 0"))
        if action != "DoNotSchedule":
            detail = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
            errors.append(invalid(at, domains, detail))
    for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        policy = one.get(field)
        if policy is not None and policy not in _INCLUSION:
            errors.append(not_supported(f"{path}.{field}", policy, _INCLUSION))
    return errors + label_selector(one.get("labelSelector"), f"{path}.labelSelector")
