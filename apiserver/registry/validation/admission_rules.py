"""Which requests a webhook or an admission policy is asked about: rules, selectors, match conditions.

Source: pkg/apis/admissionregistration/validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from apiserver.registry.validation.cel import ADMISSION, BOOL, expression_errors
from apiserver.registry.validation.selector import label_selector
from apiserver.registry.validation.words import each, invalids
from wherry.api import names
from wherry.api.errors import (
    FieldError,
    duplicate,
    invalid,
    not_supported,
    required,
    too_many,
)  # fmt: skip

FAILURE_POLICIES: Final = ("Fail", "Ignore")
MATCH_POLICIES: Final = ("Equivalent", "Exact")
REINVOCATIONS: Final = ("IfNeeded", "Never")
OPERATIONS: Final = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
SCOPES: Final = ("*", "Cluster", "Namespaced")
MATCH_CONDITIONS_MAX: Final = 64


def chosen(
    tree: Mapping[str, Any], field: str, path: str, supported: Sequence[str], *, must: bool = False
) -> list[FieldError]:
    """One of the supported values, or none when it need not be."""
    value = tree.get(field)
    if value is None:
        return [required(f"{path}.{field}")] if must else []
    if value not in supported:
        return [not_supported(f"{path}.{field}", value, supported)]
    return []


def rule_errors(rule: Mapping[str, Any], path: str) -> list[FieldError]:
    """What is wrong with a rule with operations."""
    operations = rule.get("operations", ())
    errors = _not_empty(operations, f"{path}.operations")
    errors += _alone(operations, f"{path}.operations", "operations")
    for index, operation in enumerate(operations):
        if operation not in OPERATIONS:
            errors.append(not_supported(f"{path}.operations[{index}]", operation, OPERATIONS))
    groups, versions = rule.get("apiGroups", ()), rule.get("apiVersions", ())
    errors += _not_empty(groups, f"{path}.apiGroups")
    errors += _alone(groups, f"{path}.apiGroups", "API groups")
    errors += _not_empty(versions, f"{path}.apiVersions")
    errors += _alone(versions, f"{path}.apiVersions", "API versions")
    errors += each(versions, f"{path}.apiVersions", lambda one, at: [] if one else [required(at)])
    errors += _resources(rule.get("resources", ()), f"{path}.resources")
    return errors + chosen(rule, "scope", path, SCOPES)


def named_rule_errors(rule: Mapping[str, Any], path: str) -> list[FieldError]:
    """The same, with names of objects."""
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, name in enumerate(rule.get("resourceNames", ())):
        at = f"{path}.resourceNames[{index}]"
        errors += invalids(at, name, names.path_segment(name))
        if name in seen:
            errors.append(duplicate(at, name))
        seen.add(name)
    return errors + rule_errors(rule, path)


def _not_empty(found: Sequence[str], path: str) -> list[FieldError]:
    return [] if found else [required(path)]


def _alone(found: Sequence[str], path: str, what: str) -> list[FieldError]:
    if len(found) > 1 and "*" in found:
        return [invalid(path, found, f"if '*' is present, must not specify other {what}")]
    return []


def _resources(resources: Sequence[str], path: str) -> list[FieldError]:
    """`pods`, `pods/status`, `pods/*`, `*/scale`, `*`, `*/*`, none of them saying another again."""
    errors = _not_empty(resources, path)
    all_of: set[str] = set()  # resources with all subresources
    everywhere: set[str] = set()  # subresources of all resources
    plain = False
    for index, resource in enumerate(resources):
        at = f"{path}[{index}]"
        if not resource:
            errors.append(required(at))
            continue
        name, slash, sub = resource.partition("/")
        if not slash:
            plain = resource != "*"
            continue
        for known, part, pattern in ((all_of, name, f"{name}/*"), (everywhere, sub, f"*/{sub}")):
            if part in known:
                words = f"if '{pattern}' is present, must not specify {resource}"
                errors.append(invalid(at, resource, words))
        if sub == "*":
            all_of.add(name)
        if name == "*":
            everywhere.add(sub)
    if len(resources) > 1 and "*/*" in resources:
        words = "if '*/*' is present, must not specify other resources"
        errors.append(invalid(path, resources, words))
    if "*" in resources and plain:
        words = "if '*' is present, must not specify other resources without subresources"
        errors.append(invalid(path, resources, words))
    return errors


def default_rules(rules: Sequence[dict[str, Any]]) -> None:
    for rule in rules:
        if not rule.get("scope"):
            rule["scope"] = "*"


def default_match_resources(match: dict[str, Any] | None) -> None:
    if match is None:
        return
    for field, value in (
        ("matchPolicy", "Equivalent"),
        ("namespaceSelector", {}),
        ("objectSelector", {}),
    ):
        if match.get(field) is None:
            match[field] = value
    default_rules(match.get("resourceRules", ()))
    default_rules(match.get("excludeResourceRules", ()))


def match_resources_errors(match: Mapping[str, Any] | None, path: str) -> list[FieldError]:
    if match is None:
        return []
    errors = chosen(match, "matchPolicy", path, MATCH_POLICIES, must=True)
    for field in ("namespaceSelector", "objectSelector"):
        if match.get(field) is None:
            errors.append(required(f"{path}.{field}"))
        errors += label_selector(match.get(field), f"{path}.{field}")
    for field in ("resourceRules", "excludeResourceRules"):
        errors += each(match.get(field, ()), f"{path}.{field}", named_rule_errors)
    return errors


def match_conditions_errors(
    conditions: Sequence[Mapping[str, Any]], path: str, variables: Sequence[str] = ADMISSION
) -> list[FieldError]:
    errors: list[FieldError] = []
    if len(conditions) > MATCH_CONDITIONS_MAX:
        errors.append(too_many(path, len(conditions), MATCH_CONDITIONS_MAX))
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        at, name = f"{path}[{index}]", condition["name"]
        if not condition["expression"].strip():
            errors.append(required(f"{at}.expression"))
        errors += expression_errors(condition["expression"], f"{at}.expression", variables, BOOL)
        if not name:
            errors.append(required(f"{at}.name"))
            continue
        errors += invalids(f"{at}.name", name, names.qualified_name(name))
        if name in seen:
            errors.append(duplicate(f"{at}.name", name))
        seen.add(name)
    return errors
