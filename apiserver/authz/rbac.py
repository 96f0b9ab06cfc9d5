"""Role-based access control over the watch cache.

Decisions are remembered by user, groups and what is asked but the name, until any role or binding
changes; a rule that is for some names only is remembered with its names. So a request costs a few
comparisons and one dictionary lookup, and the first of its kind what the user's own bindings cost.

Source: plugin/pkg/auth/authorizer/rbac/rbac.go: its order, reasons and errors.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from apiserver.authz.authorizer import Attributes, Decision, Rules, aggregate
from apiserver.authz.bindings import GROUP, Bindings, RoleRef, lost
from apiserver.authz.following import Follower, Window
from apiserver.authz.rules import Rule
from apiserver.request import User
from apiserver.storage.encoder import decode_item
from apiserver.storage.window import Cached
from wherry.api.scheme import BY_PLURAL, Resource

log = logging.getLogger(__name__)

REMEMBERED_MAX = 8192  # kinds of questions; some 4 MiB
QUESTION_CHARACTERS_MAX = 512  # of one that is remembered: anybody may ask for a long path
CLUSTER_ROLES: Final = BY_PLURAL[GROUP, "v1", "clusterroles"]
CLUSTER_ROLE_BINDINGS: Final = BY_PLURAL[GROUP, "v1", "clusterrolebindings"]
ROLES: Final = BY_PLURAL[GROUP, "v1", "roles"]
ROLE_BINDINGS: Final = BY_PLURAL[GROUP, "v1", "rolebindings"]
RESOURCES: Final = (CLUSTER_ROLES, ROLES, CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS)


class Answer(NamedTuple):
    """All decisions about one kind of question: for some names, and for every other."""

    named: Mapping[str, Decision]
    otherwise: Decision


class Policy:
    """Roles and bindings as the watch cache has them."""

    def __init__(self, window: Callable[[Resource], Window]) -> None:
        self.bindings = Bindings()
        self._follower = Follower([window(resource) for resource in RESOURCES], self)

    def follow(self) -> bool:
        """See what changed; whether anything did."""
        return self._follower.follow()

    def clear(self, resource: Resource) -> None:
        if resource in (ROLES, CLUSTER_ROLES):
            self.bindings.clear_roles(resource.kind)
        else:
            self.bindings.clear_bindings(namespaced=resource is ROLE_BINDINGS)

    def take(self, resource: Resource, now: Cached, before: Cached | None) -> None:
        """An object that makes no sense (somebody wrote it past us) grants nothing."""
        try:
            tree = decode_item(now.item, resource.gvk)
            if resource in (ROLES, CLUSTER_ROLES):
                self.bindings.set_role(_ref(resource, now), tree.get("rules"))
            else:
                self.bindings.set_binding(tree)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log.error("%s %s can't be read: %r", resource.kind, now.path, error)
            self.drop(resource, now)

    def drop(self, resource: Resource, last: Cached) -> None:
        if resource in (ROLES, CLUSTER_ROLES):
            self.bindings.drop_role(_ref(resource, last))
        else:
            self.bindings.drop_binding(last.namespace, last.name)

    def rules_for(self, user: User, namespace: str) -> tuple[list[Rule], str]:
        """A user's rules, and what is wrong with the rest of its bindings."""
        self.follow()
        rules, errors = [], []
        for grant, rule in self.bindings.visit(user, namespace):
            if rule is None:
                errors.append(lost(grant.role))
            else:
                rules.append(rule)
        return rules, aggregate(errors)


class Rbac:
    """The authorizer."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._answers: dict[tuple[Any, ...], Answer] = {}

    def authorize(self, attributes: Attributes) -> Decision:
        if self._policy.follow():
            self._answers.clear()
        user, verb, namespace, group, _, resource, subresource, name, path, _, _ = attributes
        key = (user.name, user.groups, verb, namespace, group, resource, subresource, path)
        answer = self._answers.get(key)
        if answer is None:
            answer = _answer(self._policy.bindings, attributes)
            if sum(map(len, key[2:])) <= QUESTION_CHARACTERS_MAX:
                self._remember(key, answer)
        if answer.named:
            return answer.named.get(name, answer.otherwise)
        return answer.otherwise

    def _remember(self, key: tuple[Any, ...], answer: Answer) -> None:
        if len(self._answers) >= REMEMBERED_MAX:
            del self._answers[next(iter(self._answers))]
        self._answers[key] = answer

    def rules(self, user: User, namespace: str) -> Rules:
        found, error = self._policy.rules_for(user, namespace)
        return Rules(
            tuple(_resource_rule(rule) for rule in found if rule.resources),
            tuple(_path_rule(rule) for rule in found if rule.paths),
            error=error,
        )


def _answer(bindings: Bindings, asked: Attributes) -> Answer:
    """What is decided about this question, whatever the name."""
    named: dict[str, Decision] = {}
    errors = []
    for grant, rule in bindings.visit(asked.user, asked.namespace):
        if rule is None:
            errors.append(lost(grant.role))
            continue
        if asked.path:
            if rule.allows_path(asked.verb, asked.path):
                return Answer({}, _allowed(grant.source))
        elif rule.allows_resource(asked.verb, asked.group, asked.resource, asked.subresource):
            if not rule.names:
                return Answer(named, _allowed(grant.source))
            for name in rule.names:
                named.setdefault(name, _allowed(grant.source))
    return Answer(named, Decision(False, f"RBAC: {aggregate(errors)}" if errors else ""))


def _allowed(source: str) -> Decision:
    return Decision(True, f"RBAC: allowed by {source}")


def _ref(resource: Resource, cached: Cached) -> RoleRef:
    return RoleRef(resource.kind, cached.namespace, cached.name)


def _resource_rule(rule: Rule) -> Mapping[str, Any]:
    return _fields(rule, "verbs", "apiGroups", "resources", "resourceNames")


def _path_rule(rule: Rule) -> Mapping[str, Any]:
    return _fields(rule, "verbs", "nonResourceURLs")


def _fields(rule: Rule, *fields: str) -> Mapping[str, Any]:
    return {field: rule.tree[field] for field in fields if rule.tree.get(field)}
