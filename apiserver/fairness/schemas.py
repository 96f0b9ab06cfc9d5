"""FlowSchemas: which one a request belongs to, and to which flow of it. Pure.

Schemas are asked in the order of `matchingPrecedence`, then of names. What they say depends on the
user, the verb and the kind of thing alone, so answers are remembered.

Source: k8s.io/apiserver/pkg/util/flowcontrol/rule.go and apf_controller.go.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from apiserver.request import RequestInfo, User

ALL: Final = "*"
REMEMBERED_MAX = 4096
_ACCOUNT: Final = "system:serviceaccount:"

Tree = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Schema:
    """A FlowSchema. `by`: ByUser, ByNamespace or "" (all requests are one flow)."""

    name: str
    uid: str
    level: str
    precedence: int
    by: str
    rules: tuple[Tree, ...]

    @classmethod
    def of(cls, name: str, uid: str, spec: Tree) -> Schema:
        return cls(
            name,
            uid,
            spec["priorityLevelConfiguration"]["name"],
            spec.get("matchingPrecedence", 1000),
            (spec.get("distinguisherMethod") or {}).get("type", ""),
            tuple(spec.get("rules") or ()),
        )

    def matches(self, info: RequestInfo, user: User) -> bool:
        return any(_rule_matches(rule, info, user) for rule in self.rules)

    def flow(self, info: RequestInfo, user: User) -> str:
        """What tells this request's flow from the schema's others."""
        if self.by == "ByUser":
            return user.name
        return info.namespace if self.by == "ByNamespace" else ""


class Schemas:
    """All schemas, in order; the last one must match everything (catch-all)."""

    def __init__(self, schemas: Sequence[Schema]) -> None:
        self._schemas = sorted(schemas, key=lambda one: (one.precedence, one.name))
        self._last = next(one for one in schemas if one.name == "catch-all")
        self._remembered: dict[Hashable, Schema] = {}

    def of(self, info: RequestInfo, user: User) -> Schema:
        resource = info.resource
        key: Hashable
        if resource is None:
            key = (user.name, user.groups, info.verb, info.path)
        else:
            key = (
                user.name, user.groups, info.verb, resource.group, resource.plural,
                info.subresource, info.namespace,
            )  # fmt: skip
        found = self._remembered.get(key)
        if found is None:
            if len(self._remembered) >= REMEMBERED_MAX:
                self._remembered.clear()
            matching = (one for one in self._schemas if one.matches(info, user))
            found = self._remembered[key] = next(matching, self._last)
        return found


def _rule_matches(rule: Tree, info: RequestInfo, user: User) -> bool:
    if not any(_is_subject(one, user) for one in rule.get("subjects") or ()):
        return False
    if info.resource is None:
        return any(_path_matches(one, info) for one in rule.get("nonResourceRules") or ())
    return any(_resource_matches(one, info) for one in rule.get("resourceRules") or ())


def _is_subject(subject: Tree, user: User) -> bool:
    match subject.get("kind"):
        case "User":
            return subject.get("user", {}).get("name") in (ALL, user.name)
        case "Group":
            name = subject.get("group", {}).get("name")
            return name == ALL or name in user.groups
        case "ServiceAccount":
            account = subject.get("serviceAccount", {})
            prefix = f"{_ACCOUNT}{account.get('namespace')}:"
            if account.get("name") == ALL:
                return user.name.startswith(prefix)
            return user.name == f"{prefix}{account.get('name')}"
        case _:
            return False


def _resource_matches(rule: Tree, info: RequestInfo) -> bool:
    resource = info.resource
    assert resource is not None, "paths have rules of their own"
    plural = f"{resource.plural}/{info.subresource}" if info.subresource else resource.plural
    if not (
        _has(rule, "verbs", info.verb)
        and _has(rule, "resources", plural)
        and _has(rule, "apiGroups", resource.group)
    ):
        return False
    if not info.namespace:
        return bool(rule.get("clusterScope"))
    return _has(rule, "namespaces", info.namespace)


def _path_matches(rule: Tree, info: RequestInfo) -> bool:
    if not _has(rule, "verbs", info.verb):
        return False
    for pattern in rule.get("nonResourceURLs") or ():
        if pattern in (ALL, info.path):
            return True
        prefix = pattern.removesuffix("*").removesuffix("/") + "/"
        if info.path.startswith(prefix):
            return True
    return False


def _has(rule: Tree, field: str, value: str) -> bool:
    listed = rule.get(field) or ()
    return value in listed or list(listed) == [ALL]
