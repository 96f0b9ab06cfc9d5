"""The audit policy: which requests are recorded, how fully, and which of their stages.

A `Policy` file of audit.k8s.io/v1 is checked and compiled once. `PolicyRules.decide` then names the
first rule that fits a request; without one nothing is recorded. What a rule says of verbs and
resources decides for all requests of a kind alike, so the rules that are left for each kind are
remembered, and a request is only held against those.

Source: k8s.io/apiserver/pkg/audit/policy and pkg/apis/audit/validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import yaml

from apiserver.request import RequestInfo, User
from wherry.api.errors import FieldError, invalid, not_supported, required
from wherry.api.names import dns1123_subdomain

NONE, METADATA, REQUEST, REQUEST_RESPONSE = range(4)
LEVELS: Final = ("None", "Metadata", "Request", "RequestResponse")
RECEIVED, STARTED, COMPLETE, PANIC = STAGES = (
    "RequestReceived", "ResponseStarted", "ResponseComplete", "Panic",
)  # fmt: skip
API_VERSION: Final = "audit.k8s.io/v1"
KINDS_MAX = 4096  # remembered rule lists: verbs x resources, custom ones too

_POLICY_FIELDS = frozenset(
    {"apiVersion", "kind", "metadata", "rules", "omitStages", "omitManagedFields"}
)
_RULE_LISTS = ("users", "userGroups", "verbs", "namespaces", "nonResourceURLs", "omitStages")
_RULE_FIELDS = frozenset({*_RULE_LISTS, "level", "resources", "omitManagedFields"})


class Decision(NamedTuple):
    """What the policy says of a request. `level` indexes LEVELS."""

    level: int
    omit_stages: frozenset[str] = frozenset()
    omit_managed_fields: bool = False


@dataclass(frozen=True, slots=True)
class GroupResources:
    """Resources of one group; an empty list of them means all."""

    group: str
    resources: tuple[str, ...]
    names: frozenset[str]

    def covers(self, group: str, resource: str, subresource: str) -> bool:
        """Whether a resource is meant, whatever its name."""
        if group != self.group:
            return False
        combined = f"{resource}/{subresource}" if subresource else resource
        return not self.resources or any(
            one in ("*", combined)
            or (subresource and one == f"*/{subresource}")
            or (one.endswith("/*") and one[:-2] == resource)
            for one in self.resources
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; an empty set asks for nothing."""

    decision: Decision
    users: frozenset[str]
    groups: frozenset[str]
    verbs: frozenset[str]
    namespaces: frozenset[str]
    resources: tuple[GroupResources, ...]
    urls: tuple[str, ...]

    def fits_user(self, user: User) -> bool:
        if self.users and user.name not in self.users:
            return False
        return not self.groups or not self.groups.isdisjoint(user.groups)

    def fits_path(self, path: str) -> bool:
        """Whether a path that is no resource's is meant."""
        if self.namespaces or self.resources:
            return False
        return not self.urls or any(
            url in ("*", path) or (url.endswith("*") and path.startswith(url.rstrip("*")))
            for url in self.urls
        )

    def narrowed(self, verb: str, group: str, resource: str, subresource: str) -> Rule | None:
        """The rule for one kind of resource request; None when it can't fit any of them."""
        if self.verbs and verb not in self.verbs:
            return None
        if self.urls and not (self.namespaces or self.resources):
            return None
        left = tuple(one for one in self.resources if one.covers(group, resource, subresource))
        if self.resources and not left:
            return None
        if any(not one.names for one in left):
            left = ()  # every name will do
        return Rule(
            self.decision, self.users, self.groups, frozenset(), self.namespaces, left, self.urls
        )


class PolicyRules:
    """A policy, compiled. See the module."""

    def __init__(self, rules: Sequence[Rule], omit_stages: frozenset[str]) -> None:
        self._rules = tuple(rules)
        self._otherwise = Decision(NONE, omit_stages)
        self._kinds: dict[tuple[str, str, str, str], tuple[Rule, ...]] = {}

    def decide(self, info: RequestInfo, user: User) -> Decision:
        """What to record of a request by a user."""
        if info.resource is None:
            return self._of_path(info, user)
        for rule in self._candidates(info):
            if (rule.users or rule.groups) and not rule.fits_user(user):
                continue
            if rule.namespaces and info.namespace not in rule.namespaces:
                continue
            if rule.resources and not any(info.name in one.names for one in rule.resources):
                continue
            return rule.decision
        return self._otherwise

    def _of_path(self, info: RequestInfo, user: User) -> Decision:
        for rule in self._rules:
            if rule.verbs and info.verb not in rule.verbs:
                continue
            if rule.fits_user(user) and rule.fits_path(info.path):
                return rule.decision
        return self._otherwise

    def _candidates(self, info: RequestInfo) -> tuple[Rule, ...]:
        resource = info.resource
        assert resource is not None, "paths are decided elsewhere"
        key = (info.verb, resource.group, resource.plural, info.subresource)
        found = self._kinds.get(key)
        if found is None:
            if len(self._kinds) >= KINDS_MAX:
                self._kinds.clear()
            narrowed = (rule.narrowed(*key) for rule in self._rules)
            found = self._kinds[key] = tuple(rule for rule in narrowed if rule is not None)
        return found


def parse_policy(text: str) -> PolicyRules:
    """A policy file, YAML or JSON. ValueError says all that is wrong with it."""
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"failed decoding: {error}") from error
    if not isinstance(tree, dict):
        raise ValueError("failed decoding: the policy is not an object")
    kind, version = tree.get("kind"), tree.get("apiVersion")
    if (kind, version) != ("Policy", API_VERSION):
        raise ValueError(f"unknown group version field {version}, Kind={kind} in policy")
    _known(tree, _POLICY_FIELDS, "policy")
    rules = tree.get("rules") or []
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise ValueError("failed decoding: rules is not a list of objects")
    omit = _texts(tree, "omitStages", "policy")
    errors = _stage_errors(omit, "omitStages")
    for index, rule in enumerate(rules):
        errors += _rule_errors(rule, f"rules[{index}]")
    if errors:
        raise ValueError("; ".join(map(str, errors)))
    if not rules:
        raise ValueError("loaded illegal policy with 0 rules")
    managed = _flag(tree, "omitManagedFields", False)
    return PolicyRules([_rule(rule, omit, managed) for rule in rules], frozenset(omit))


def _rule(rule: Mapping[str, Any], omit: Sequence[str], managed: bool) -> Rule:
    decision = Decision(
        LEVELS.index(rule["level"]),
        frozenset(omit).union(_texts(rule, "omitStages", "rule")),
        _flag(rule, "omitManagedFields", managed),
    )
    resources = tuple(
        GroupResources(
            one.get("group") or "",
            tuple(_texts(one, "resources", "resources")),
            frozenset(_texts(one, "resourceNames", "resources")),
        )
        for one in rule.get("resources") or ()
    )
    users, groups, verbs, namespaces = (
        frozenset(_texts(rule, name, "rule"))
        for name in ("users", "userGroups", "verbs", "namespaces")
    )
    urls = tuple(_texts(rule, "nonResourceURLs", "rule"))
    return Rule(decision, users, groups, verbs, namespaces, resources, urls)


def _rule_errors(rule: Mapping[str, Any], path: str) -> list[FieldError]:
    _known(rule, _RULE_FIELDS, path)
    for name in _RULE_LISTS:
        _texts(rule, name, path)
    level = rule.get("level")
    errors = []
    if not level:
        errors.append(required(f"{path}.level"))
    elif level not in LEVELS:
        errors.append(not_supported(f"{path}.level", level, LEVELS))
    urls = _texts(rule, "nonResourceURLs", path)
    for index, url in enumerate(urls):
        at = f"{path}.nonResourceURLs[{index}]"
        if url != "*" and not url.startswith("/"):
            words = "non-resource URL rules must begin with a '/' character"
            errors.append(invalid(at, url, words))
        if "*" in url[:-1]:
            words = "non-resource URL wildcards '*' must be the final character of the rule"
            errors.append(invalid(at, url, words))
    for one in _objects(rule, "resources", path):
        errors += _resource_errors(one, f"{path}.resources")
    errors += _stage_errors(_texts(rule, "omitStages", path), f"{path}.omitStages")
    if urls and (rule.get("resources") or rule.get("namespaces")):
        words = "rules cannot apply to both regular resources and non-resource URLs"
        errors.append(invalid(f"{path}.nonResourceURLs", urls, words))
    return errors


def _resource_errors(one: Mapping[str, Any], path: str) -> list[FieldError]:
    _known(one, {"group", "resources", "resourceNames"}, path)
    errors = []
    group = one.get("group") or ""
    problems = dns1123_subdomain(group) if group else []
    if problems:
        errors.append(invalid(f"{path}.group", group, ",".join(problems)))
    names = _texts(one, "resourceNames", path)
    if names and not _texts(one, "resources", path):
        words = "using resourceNames requires at least one resource"
        errors.append(invalid(f"{path}.resourceNames", names, words))
    return errors


def _stage_errors(stages: Sequence[str], path: str) -> list[FieldError]:
    words = f"allowed stages are {','.join(STAGES)}"
    return [
        invalid(f"{path}[{index}]", stage, words)
        for index, stage in enumerate(stages)
        if stage not in STAGES
    ]


def _known(tree: Mapping[str, Any], fields: frozenset[str] | set[str], where: str) -> None:
    """A misspelt field would silently record less than somebody counts on."""
    for name in tree:
        if name not in fields:
            raise ValueError(f"strict decoding error: unknown field {f'{where}.{name}'!r}")


def _texts(tree: Mapping[str, Any], name: str, where: str) -> list[str]:
    found = tree.get(name) or []
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ValueError(f"failed decoding: {where}.{name} is not a list of texts")
    return found


def _objects(tree: Mapping[str, Any], name: str, where: str) -> list[dict[str, Any]]:
    found = tree.get(name) or []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError(f"failed decoding: {where}.{name} is not a list of objects")
    return found


def _flag(tree: Mapping[str, Any], name: str, default: bool) -> bool:
    found = tree.get(name)
    if found is None:
        return default
    if not isinstance(found, bool):
        raise ValueError(f"failed decoding: {name} is neither true nor false")
    return found
