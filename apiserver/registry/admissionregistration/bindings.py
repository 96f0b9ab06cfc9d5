"""Bindings: where an admission policy applies, and with which parameters.

Source: pkg/apis/admissionregistration/{validation,v1/defaults.go}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.admissionregistration.policies import UNSET
from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.admission_rules import (
    default_match_resources,
    match_resources_errors,
)
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.selector import label_selector
from apiserver.registry.validation.words import invalids, unsupported
from wherry.api import names
from wherry.api.admissionregistration_v1 import (
    MutatingAdmissionPolicyBinding,
    ValidatingAdmissionPolicyBinding,
)
from wherry.api.errors import (
    FieldError,
    duplicate,
    forbidden_field,
    invalid,
    not_supported,
    required,
)
from wherry.api.scheme import resource_of

ACTIONS: Final = ("Audit", "Deny", "Warn")
NOT_FOUND_ACTIONS: Final = ("Deny", "Allow")


class _BindingStrategy(Strategy):
    """What the two kinds share."""

    has_generation = True
    columns = (
        NAME,
        Column("PolicyName", description="The policy that is bound."),
        Column("ParamRef", description="Its parameters."),
        AGE,
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        default_match_resources(tree["spec"].get("matchResources"))

    def validate(self, tree: Tree) -> list[FieldError]:
        spec = tree["spec"]
        policy, path = spec.get("policyName", ""), "spec.policyName"
        errors = (
            invalids(path, policy, names.dns1123_subdomain(policy)) if policy else [required(path)]
        )
        if (params := spec.get("paramRef")) is not None:
            errors += _param_ref(params, "spec.paramRef")
        return errors + match_resources_errors(spec.get("matchResources"), "spec.matchResources")

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        spec = tree["spec"]
        return (
            tree["metadata"]["name"],
            spec.get("policyName", ""),
            _params(spec.get("paramRef")),
            created(tree, now),
        )


class ValidatingAdmissionPolicyBindingStrategy(_BindingStrategy):
    resource = resource_of(ValidatingAdmissionPolicyBinding)

    def validate(self, tree: Tree) -> list[FieldError]:
        actions = tree["spec"].get("validationActions", ())
        return super().validate(tree) + _actions(actions, "spec.validationActions")


class MutatingAdmissionPolicyBindingStrategy(_BindingStrategy):
    resource = resource_of(MutatingAdmissionPolicyBinding)


def _params(params: Mapping[str, Any] | None) -> str:
    if params is None:
        return UNSET
    if name := params.get("name"):
        namespace = params.get("namespace")
        return f"{namespace}/{name}" if namespace else name
    return "*" if params.get("selector") is not None else UNSET


def _actions(actions: Sequence[str], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, action in enumerate(actions):
        if action not in ACTIONS:
            errors.append(not_supported(f"{path}[{index}]", action, ACTIONS))
        if action in actions[:index]:
            errors.append(duplicate(f"{path}[{index}]", action))
    if "Deny" in actions and "Warn" in actions:
        words = (
            "must not contain both Deny and Warn (repeating the same validation failure "
            "information in the API response and headers serves no purpose)"
        )
        errors.append(invalid(path, actions, words))
    if not actions:
        errors.append(required(path, "at least one validation action is required"))
    return errors


def _param_ref(params: Mapping[str, Any], path: str) -> list[FieldError]:
    name, selector = params.get("name", ""), params.get("selector")
    exclusive = "name and selector are mutually exclusive"
    errors: list[FieldError] = []
    if name:
        errors += invalids(f"{path}.name", name, names.path_segment(name))
        if selector is not None:
            errors.append(forbidden_field(f"{path}.name", exclusive))
    errors += label_selector(selector, f"{path}.selector")
    if name and selector is not None:
        errors.append(forbidden_field(f"{path}.selector", exclusive))
    if not name and selector is None:
        errors.append(required(path, "one of name or selector must be specified"))
    action, at = params.get("parameterNotFoundAction"), f"{path}.parameterNotFoundAction"
    if not action:
        errors.append(required(at))
    elif action not in NOT_FOUND_ACTIONS:
        errors.append(unsupported(at, action, NOT_FOUND_ACTIONS))
    return errors
