"""A container's own restart policy and its rules by exit code.

Source: validateContainerRestartPolicy of pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apiserver.registry.validation.words import unsupported
from wherry.api.errors import FieldError, not_supported, required, too_many

Tree = Mapping[str, Any]

_POLICIES: Final = ("Always", "Never", "OnFailure")
_ACTIONS: Final = ("Restart", "RestartAllContainers")
_OPERATORS: Final = ("In", "NotIn")
RULES_MAX: Final = 20
VALUES_MAX: Final = 255


def validate_restart_policy(container: Tree, path: str) -> list[FieldError]:
    """`restartPolicy` and `restartPolicyRules` of a regular or init container."""
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules", ())
    errors: list[FieldError] = []
    if policy is None and rules:
        detail = "must specify restartPolicy when restart rules are used"
        errors.append(required(f"{path}.restartPolicy", detail))
    elif policy is not None and policy not in _POLICIES:
        errors.append(unsupported(f"{path}.restartPolicy", policy, _POLICIES))
    at = f"{path}.restartPolicyRules"
    if len(rules) > RULES_MAX:
        errors.append(too_many(at, len(rules), RULES_MAX))
    for index, rule in enumerate(rules):
        errors += _rule(rule, f"{at}[{index}]")
    return errors


def _rule(rule: Tree, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    action = rule.get("action", "")
    if action not in _ACTIONS:
        errors.append(not_supported(f"{path}.action", action, _ACTIONS))
    codes = rule.get("exitCodes")
    if codes is None:
        return [*errors, required(f"{path}.exitCodes", "must be specified")]
    operator, values = codes.get("operator", ""), codes.get("values", ())
    if operator not in _OPERATORS:
        errors.append(not_supported(f"{path}.exitCodes.operator", operator, _OPERATORS))
    if len(values) > VALUES_MAX:
        errors.append(too_many(f"{path}.exitCodes.values", len(values), VALUES_MAX))
    return errors
