"""FlowSchemas: which requests belong to which priority level.

Not here: their effect; the server has no priority and fairness yet.
Source: pkg/apis/flowcontrol/validation, pkg/apis/flowcontrol/v1/defaults.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.flowcontrol.bootstrap import FIXED_FLOW_SCHEMAS
from apiserver.registry.flowcontrol.conditions import status_errors
from apiserver.registry.printing import AGE, NAME, NONE, created
from apiserver.registry.status_updates import keep_all_but_status, keep_status
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.words import each, invalids
from wherry.api import names
from wherry.api.errors import FieldError, forbidden_field, invalid, not_supported, required
from wherry.api.flowcontrol_v1 import FlowSchema
from wherry.api.scheme import resource_of

PRECEDENCE_DEFAULT: Final = 1000
PRECEDENCE_MAX: Final = 10_000
METHODS: Final = ("ByNamespace", "ByUser")
VERBS: Final = (
    "*", "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
)  # fmt: skip
# The kind of a subject, and the field that holds it.
SUBJECTS: Final[Mapping[str, str]] = {
    "ServiceAccount": "serviceAccount",
    "User": "user",
    "Group": "group",
}


class FlowSchemaStrategy(Strategy):
    """The two that upstream makes itself have a fixed spec."""

    resource = resource_of(FlowSchema)
    has_generation = True
    columns = (
        NAME,
        Column("PriorityLevel", description="Where its requests queue."),
        Column("MatchingPrecedence", description="Lower is tried first."),
        Column("DistinguisherMethod", description="How requests are told apart."),
        AGE,
        Column("MissingPL", description="Whether its priority level is missing."),
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        if not tree["spec"]["matchingPrecedence"]:
            tree["spec"]["matchingPrecedence"] = PRECEDENCE_DEFAULT

    def prepare_for_create(self, tree: Tree) -> None:
        tree["status"] = {}

    def prepare_for_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        keep_status(tree, old)

    def prepare_for_status_update(self, tree: Tree, old: Mapping[str, Any]) -> None:
        keep_all_but_status(tree, old)

    def validate(self, tree: Tree) -> list[FieldError]:
        spec, name = tree["spec"], tree["metadata"].get("name", "")
        errors = _precedence(spec["matchingPrecedence"], name)
        method = spec.get("distinguisherMethod")
        if method is not None and method["type"] not in METHODS:
            errors.append(not_supported("spec.distinguisherMethod.type", method, METHODS))
        path, level = (
            "spec.priorityLevelConfiguration.name",
            spec["priorityLevelConfiguration"]["name"],
        )
        if level:
            errors += invalids(path, level, names.dns1123_subdomain(level))
        else:
            errors.append(required(path, "must reference a priority level"))
        errors += each(spec.get("rules", ()), "spec.rules", _rule)
        if name in FIXED_FLOW_SCHEMAS and spec != FIXED_FLOW_SCHEMAS[name]:
            errors.append(invalid("spec", spec, f"spec of '{name}' must equal the fixed value"))
        return errors

    def validate_status_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return status_errors(tree["status"])

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        spec = tree["spec"]
        method = spec.get("distinguisherMethod")
        conditions = tree["status"].get("conditions", ())
        missing = (one["status"] for one in conditions if one.get("type") == "Dangling")
        return (
            tree["metadata"]["name"],
            spec["priorityLevelConfiguration"]["name"],
            spec["matchingPrecedence"],
            method["type"] if method else NONE,
            created(tree, now),
            next(missing, "?"),
        )


def _precedence(value: int, name: str) -> list[FieldError]:
    path = "spec.matchingPrecedence"
    if value <= 0:
        return [invalid(path, value, "must be a positive value")]
    if value > PRECEDENCE_MAX:
        return [invalid(path, value, f"must not be greater than {PRECEDENCE_MAX}")]
    if value == 1 and name != "exempt":
        words = "only the schema named 'exempt' may have matchingPrecedence 1"
        return [invalid(path, value, words)]
    return []


def _rule(rule: Mapping[str, Any], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if rule["subjects"]:
        errors += each(rule["subjects"], f"{path}.subjects", _subject)
    else:
        errors.append(required(f"{path}.subjects", "subjects must contain at least one value"))
    resources, others = rule.get("resourceRules", ()), rule.get("nonResourceRules", ())
    if not resources and not others:
        words = "at least one of resourceRules and nonResourceRules has to be non-empty"
        errors.append(required(path, words))
    errors += each(resources, f"{path}.resourceRules", _resource_rule)
    return errors + each(others, f"{path}.nonResourceRules", _non_resource_rule)


def _subject(subject: Mapping[str, Any], path: str) -> list[FieldError]:
    kind = subject["kind"]
    if kind not in SUBJECTS:
        return [not_supported(f"{path}.kind", kind, tuple(SUBJECTS))]
    field = SUBJECTS[kind]
    found = subject.get(field)
    if found is None:
        errors = [required(f"{path}.{field}", f"{field} is required when subject kind is '{kind}'")]
    elif kind == "ServiceAccount":
        errors = _service_account(found, f"{path}.{field}")
    else:
        errors = [] if found["name"] else [required(f"{path}.{field}.name")]
    for other, name in SUBJECTS.items():
        if other != kind and subject.get(name) is not None:
            words = f"{name} is forbidden when subject kind is not '{other}'"
            errors.append(forbidden_field(f"{path}.{name}", words))
    return errors


def _service_account(account: Mapping[str, Any], path: str) -> list[FieldError]:
    name, namespace = account["name"], account["namespace"]
    errors: list[FieldError] = []
    if not name:
        errors.append(required(f"{path}.name"))
    elif name != "*":
        errors += invalids(f"{path}.name", name, names.dns1123_subdomain(name))
    if namespace:
        errors += invalids(f"{path}.namespace", namespace, names.dns1123_label(namespace))
    else:
        words = "must specify namespace for service account"
        errors.append(required(f"{path}.namespace", words))
    return errors


def _verbs(verbs: Sequence[str], path: str) -> list[FieldError]:
    if verbs and "*" not in verbs and not set(verbs) <= set(VERBS):
        return [not_supported(path, verbs, VERBS)]
    return _list(verbs, path, "verbs must contain at least one value", "verbs")


def _list(found: Sequence[str], path: str, missing: str, what: str) -> list[FieldError]:
    """A list that is not empty, and has nothing beside `*`."""
    if not found:
        return [required(path, missing)]
    if "*" in found and len(found) > 1:
        return [invalid(path, found, f"if '*' is present, must not specify other {what}")]
    return []


def _resource_rule(rule: Mapping[str, Any], path: str) -> list[FieldError]:
    must = "resource rules must supply at least one"
    errors = _verbs(rule["verbs"] or (), f"{path}.verbs")
    errors += _list(rule["apiGroups"] or (), f"{path}.apiGroups", f"{must} api group", "api groups")
    errors += _list(rule["resources"] or (), f"{path}.resources", f"{must} resource", "resources")
    namespaces, at = rule.get("namespaces") or (), f"{path}.namespaces"
    if not namespaces:
        if rule.get("clusterScope"):
            return errors
        words = "resource rules that are not cluster scoped must supply at least one namespace"
        return [*errors, required(at, words)]
    if "*" in namespaces:
        return errors + _list(namespaces, at, "", "namespaces")
    intro = "each member of this list must be '*' or a DNS-1123 label; "
    return errors + each(
        namespaces,
        at,
        lambda one, where: invalids(where, one, [intro + m for m in names.dns1123_label(one)]),
    )


def _non_resource_rule(rule: Mapping[str, Any], path: str) -> list[FieldError]:
    errors = _verbs(rule["verbs"] or (), f"{path}.verbs")
    urls, at = rule["nonResourceURLs"] or (), f"{path}.nonResourceURLs"
    if not urls or "*" in urls:
        missing = "nonResourceURLs must contain at least one value"
        return errors + _list(urls, at, missing, "non-resource URLs")
    return errors + each(urls, at, _url_path)


def _url_path(url: str, path: str) -> list[FieldError]:
    if problem := _url_problem(url):
        return [invalid(path, url, problem)]
    return []


def _url_problem(url: str) -> str:
    if not url:
        return "must not be empty"
    if url == "/":
        return ""
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    if url.count("*") > 1 or ("*" in url and not url.endswith("/*")):
        return "wildcard can only do suffix matching"
    return ""
