"""Admission policies: rules in CEL about what may be stored, and how it is changed before.

Not here: what they do, and whether their expressions fit the types of objects.
Source: pkg/apis/admissionregistration/{validation,v1/defaults.go}.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.status_updates import keep_all_but_status, keep_status
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.admission_rules import (
    FAILURE_POLICIES,
    REINVOCATIONS,
    chosen,
    default_match_resources,
    match_conditions_errors,
    match_resources_errors,
)
from apiserver.registry.validation.cel import (
    ADMISSION,
    BOOL,
    STRING,
    STRING_OR_NULL,
    expression_errors,
)
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.words import each, invalids
from wherry.api import names
from wherry.api.admissionregistration_v1 import MutatingAdmissionPolicy, ValidatingAdmissionPolicy
from wherry.api.errors import FieldError, duplicate, invalid, not_supported, required
from wherry.api.scheme import resource_of

REASONS: Final = ("Forbidden", "Invalid", "RequestEntityTooLarge")
PATCH_TYPES: Final[Mapping[str, str]] = {
    "ApplyConfiguration": "applyConfiguration",
    "JSONPatch": "jsonPatch",
}
AUDIT_ANNOTATIONS_MAX: Final = 20
AUDIT_EXPRESSION_MAX: Final = 5 * 1024
UNSET: Final = "<unset>"
_IDENTIFIER: Final = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_RESERVED: Final = frozenset(
    {
        "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for",
        "function", "if", "import", "let", "loop", "package", "namespace", "return", "var",
        "void", "while",
    }
)  # fmt: skip


class _PolicyStrategy(Strategy):
    """What validating and mutating policies share."""

    has_generation = True

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        spec = tree["spec"]
        if spec.get("failurePolicy") is None:
            spec["failurePolicy"] = "Fail"
        default_match_resources(spec.get("matchConstraints"))

    def validate(self, tree: Tree) -> list[FieldError]:
        return self._errors(tree, same_conditions=False)

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        fields = ("paramKind", "matchConditions")
        same = all(tree["spec"].get(one) == old["spec"].get(one) for one in fields)
        return self._errors(tree, same_conditions=same)

    def _errors(self, tree: Tree, *, same_conditions: bool) -> list[FieldError]:
        spec = tree["spec"]
        errors = chosen(spec, "failurePolicy", "spec", FAILURE_POLICIES, must=True)
        if (kind := spec.get("paramKind")) is not None:
            errors += _param_kind(kind, "spec.paramKind")
        errors += _constraints(spec.get("matchConstraints"), "spec.matchConstraints")
        if not same_conditions:
            conditions = spec.get("matchConditions", ())
            errors += match_conditions_errors(conditions, "spec.matchConditions", _names(spec))
        known = _known(spec)
        return errors + each(
            spec.get("variables", ()), "spec.variables", lambda one, at: _variable(one, at, known)
        )


class ValidatingAdmissionPolicyStrategy(_PolicyStrategy):
    resource = resource_of(ValidatingAdmissionPolicy)
    columns = (
        NAME,
        Column("Validations", "integer", description="How many there are."),
        Column("ParamKind", description="The kind of its parameters."),
        AGE,
    )

    def prepare_for_create(self, tree: Tree) -> None:
        tree["status"] = {}

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        keep_status(tree, old)

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        keep_all_but_status(tree, old)

    def _errors(self, tree: Tree, *, same_conditions: bool) -> list[FieldError]:
        errors = super()._errors(tree, same_conditions=same_conditions)
        spec, name = tree["spec"], tree["metadata"].get("name", "")
        validations, audits = spec.get("validations", ()), spec.get("auditAnnotations", ())
        if not validations and not audits:
            words = "validations or auditAnnotations must contain at least one item"
            fields = ("validations", "auditAnnotations")
            return errors + [required(f"spec.{field}", words) for field in fields]
        known = _known(spec)
        errors += each(validations, "spec.validations", lambda one, at: _validation(one, at, known))
        return errors + _audit_annotations(audits, name, "spec.auditAnnotations", known)

    def validate_status_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        checking = tree["status"].get("typeChecking") or {}
        errors: list[FieldError] = []
        for index, warning in enumerate(checking.get("expressionWarnings", ())):
            path = f"status.typeChecking.expressionWarnings[{index}]"
            empty = [field for field in ("warning", "fieldRef") if not warning[field].strip()]
            errors += [required(f"{path}.{field}") for field in empty]
        return errors

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        count = len(tree["spec"].get("validations", ()))
        return (tree["metadata"]["name"], count, _param_words(tree), created(tree, now))


class MutatingAdmissionPolicyStrategy(_PolicyStrategy):
    resource = resource_of(MutatingAdmissionPolicy)
    columns = (
        NAME,
        Column("Mutations", "integer", description="How many there are."),
        Column("ParamKind", description="The kind of its parameters."),
        AGE,
    )

    def _errors(self, tree: Tree, *, same_conditions: bool) -> list[FieldError]:
        errors = super()._errors(tree, same_conditions=same_conditions)
        spec = tree["spec"]
        mutations = spec.get("mutations", ())
        if not mutations:
            words = "mutations must contain at least one item"
            errors.append(required("spec.mutations", words))
        known = _known(spec)
        errors += each(mutations, "spec.mutations", lambda one, at: _mutation(one, at, known))
        if not spec.get("reinvocationPolicy"):
            return [*errors, required("spec.reinvocationPolicy")]
        return errors + chosen(spec, "reinvocationPolicy", "spec", REINVOCATIONS)

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        count = len(tree["spec"].get("mutations", ()))
        return (tree["metadata"]["name"], count, _param_words(tree), created(tree, now))


def _param_words(tree: Mapping[str, Any]) -> str:
    kind = tree["spec"].get("paramKind")
    if kind is None:
        return UNSET
    return f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}"


def _param_kind(kind: Mapping[str, Any], path: str) -> list[FieldError]:
    version, at = kind.get("apiVersion", ""), f"{path}.apiVersion"
    errors: list[FieldError] = []
    if not version:
        errors.append(required(at))
    elif version.count("/") > 1:
        errors.append(invalid(at, version, f"unexpected GroupVersion string: {version}"))
    else:
        group, _, bare = version.rpartition("/")
        if group and (problems := names.dns1123_subdomain(group)):
            errors.append(invalid(at, group, ",".join(problems)))
        if not bare:
            errors.append(invalid(at, version, "version must be specified"))
        elif problems := names.dns1035_label(bare):
            errors.append(invalid(at, bare, ",".join(problems)))
    name = kind.get("kind", "")
    if not name:
        errors.append(required(f"{path}.kind"))
    elif problems := names.dns1035_label(name.lower()):
        words = "may have mixed case, but should otherwise match: " + ",".join(problems)
        errors.append(invalid(f"{path}.kind", name, words))
    return errors


def _constraints(match: Mapping[str, Any] | None, path: str) -> list[FieldError]:
    if match is None:
        return [required(path)]
    errors = match_resources_errors(match, path)
    if not match.get("resourceRules"):
        errors.append(required(f"{path}.resourceRules"))
    return errors


def _names(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """What a policy's match conditions may name."""
    return ADMISSION if spec.get("paramKind") is None else (*ADMISSION, "params")


def _known(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """What its other expressions may name."""
    return (*_names(spec), "variables")


def _variable(variable: Mapping[str, Any], path: str, known: Sequence[str]) -> list[FieldError]:
    name = variable["name"]
    errors: list[FieldError] = []
    if not name.strip():
        errors.append(required(f"{path}.name", "name is not specified"))
    elif not _IDENTIFIER.fullmatch(name) or name in _RESERVED:
        errors.append(invalid(f"{path}.name", name, "name is not a valid CEL identifier"))
    return errors + _expression(variable["expression"], f"{path}.expression", known)


def _expression(
    expression: str, path: str, known: Sequence[str], wanted: Sequence[str] = ()
) -> list[FieldError]:
    if not expression.strip():
        return [required(path, "expression is not specified")]
    return expression_errors(expression, path, known, wanted)


def _validation(validation: Mapping[str, Any], path: str, known: Sequence[str]) -> list[FieldError]:
    errors = _expression(validation["expression"], f"{path}.expression", known, BOOL)
    told, message = validation.get("messageExpression", ""), validation.get("message", "")
    if told and not told.strip():
        errors.append(invalid(f"{path}.messageExpression", told, "must be non-empty if specified"))
    errors += expression_errors(told, f"{path}.messageExpression", known, STRING)
    if message and not message.strip():
        words = "message must be non-empty if specified"
        errors.append(invalid(f"{path}.message", message, words))
    elif re.search(r"[\n\r]", message.strip()):
        words = "message must not contain line breaks"
        errors.append(invalid(f"{path}.message", message, words))
    return errors + chosen(validation, "reason", path, REASONS)


def _audit_annotations(
    annotations: Sequence[Mapping[str, Any]], policy: str, path: str, known: Sequence[str]
) -> list[FieldError]:
    errors: list[FieldError] = []
    if len(annotations) > AUDIT_ANNOTATIONS_MAX:
        words = f"must not have more than {AUDIT_ANNOTATIONS_MAX} auditAnnotations"
        errors.append(invalid(path, annotations, words))
    seen: set[str] = set()
    for index, annotation in enumerate(annotations):
        at, key = f"{path}[{index}]", annotation["key"]
        if policy:
            full = f"{policy}/{key}"
            errors += invalids(f"{at}.key", full, names.qualified_name(full))
        else:
            errors.append(invalid(f"{at}.key", key, "requires metadata.name be non-empty"))
        expression = annotation["valueExpression"].strip()
        if not expression:
            words = "valueExpression is not specified"
            errors.append(required(f"{at}.valueExpression", words))
        elif len(expression.encode()) > AUDIT_EXPRESSION_MAX:
            words = f"must not exceed {AUDIT_EXPRESSION_MAX} bytes in length"
            errors.append(required(f"{at}.valueExpression", words))
        else:
            errors += expression_errors(expression, f"{at}.valueExpression", known, STRING_OR_NULL)
        if key in seen:
            errors.append(duplicate(f"{at}.key", key))
        seen.add(key)
    return errors


def _mutation(mutation: Mapping[str, Any], path: str, known: Sequence[str]) -> list[FieldError]:
    kind = mutation["patchType"]
    if not kind:
        return [required(f"{path}.patchType")]
    if kind not in PATCH_TYPES:
        return [not_supported(f"{path}.patchType", kind, tuple(PATCH_TYPES))]
    errors: list[FieldError] = []
    for other, field in PATCH_TYPES.items():
        value, at = mutation.get(field), f"{path}.{field}"
        if other != kind:
            if value is not None:
                errors.append(invalid(at, value, f"must not be specified when patchType is {kind}"))
        elif value is None:
            errors.append(required(at, f"must be specified when patchType is {kind}"))
        else:
            errors += _expression(value.get("expression", ""), f"{at}.expression", known)
    return errors
