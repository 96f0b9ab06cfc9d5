"""Nobody grants what they do not have: the checks on writes of roles and bindings.

Who writes a role must hold its rights or may `escalate` it; who binds a role must hold its rights or
may `bind` it. A role that gathers the rights of others takes all rights.

Source: pkg/registry/rbac/{escalation_check.go,validation/rule.go}, {role,clusterrole,rolebinding,
clusterrolebinding}/policybased.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from apiserver.authz.authorizer import MASTERS, Attributes, Authorizer
from apiserver.authz.bindings import GROUP, role_of
from apiserver.authz.covering import go_list, missing, told
from apiserver.authz.rbac import RESOURCES, Policy
from apiserver.request import RequestContext
from wherry.api.errors import forbidden, go_quote, not_found
from wherry.api.scheme import Resource

_KINDS: Final = {"Role": "roles", "ClusterRole": "clusterroles"}
_ALL_RIGHTS: Final = (
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
)
# Who ends an object by the garbage collector changes only these, and grants nothing by it.
_COLLECTED: Final = frozenset({"ownerReferences", "finalizers", "managedFields", "resourceVersion"})

Tree = Mapping[str, Any]


class Guard:
    """Asked before each write; ApiError 403 in upstream's words."""

    def __init__(self, authorizer: Authorizer, policy: Policy) -> None:
        self._authorizer = authorizer
        self._policy = policy

    def role(self, resource: Resource, tree: Tree, old: Tree | None, ctx: RequestContext) -> None:
        """A Role or ClusterRole is made or changed."""
        if MASTERS in ctx.user.groups or self._may_escalate(resource, ctx):
            return
        if old is not None and only_collected(tree, old):
            return
        name = tree["metadata"].get("name", "")
        self._confirm(resource, name, tree.get("rules") or (), ctx)
        if _gathers(tree) or (old is not None and _gathers(old)):
            rules, _ = self._policy.rules_for(ctx.user, ctx.info.namespace)
            if missing(rules, _ALL_RIGHTS):
                words = "must have cluster-admin privileges to use the aggregationRule"
                raise forbidden(resource.qualified_name, name, words)

    def binding(
        self, resource: Resource, tree: Tree, old: Tree | None, ctx: RequestContext
    ) -> None:
        """A RoleBinding or ClusterRoleBinding is made or changed. ApiError 404 for a lost role."""
        ref, namespace = tree["roleRef"], tree["metadata"].get("namespace", "")
        if MASTERS in ctx.user.groups or ref["kind"] not in _KINDS:  # validation refuses others
            return
        if old is not None and only_collected(tree, old):
            return
        plural = _KINDS[ref["kind"]]
        asked = Attributes(
            ctx.user, "bind", namespace, ref["apiGroup"], "*", plural, name=ref["name"]
        )
        if self._authorizer.authorize(asked).allowed:
            return
        self._policy.follow()
        rules = self._policy.bindings.rules_of(role_of(ref, namespace))
        if rules is None:
            raise not_found(f"{plural}.{GROUP}", ref["name"])
        name = tree["metadata"].get("name", "")
        self._confirm(resource, name, [rule.tree for rule in rules], ctx)

    def _may_escalate(self, resource: Resource, ctx: RequestContext) -> bool:
        info = ctx.info
        asked = Attributes(
            ctx.user, "escalate", info.namespace, GROUP, "*", resource.plural, name=info.name
        )
        return self._authorizer.authorize(asked).allowed

    def _confirm(
        self, resource: Resource, name: str, asked: Iterable[Tree], ctx: RequestContext
    ) -> None:
        owned, error = self._policy.rules_for(ctx.user, ctx.info.namespace)
        lacking = missing(owned, asked)
        if not lacking:
            return
        user = f"user {go_quote(ctx.user.name)} (groups={go_list(ctx.user.groups)})"
        words = (
            f"{user} is attempting to grant RBAC permissions not currently held:\n{told(lacking)}"
        )
        if error:
            words += f"; resolution errors: [{error}]"
        raise forbidden(resource.qualified_name, name, words)


def only_collected(tree: Tree, old: Tree) -> bool:
    """Whether nothing changes but what the garbage collector works with."""
    if tree.keys() != old.keys() or any(tree[key] != old[key] for key in tree if key != "metadata"):
        return False
    new, before = tree["metadata"], old["metadata"]
    return all(new.get(key) == before.get(key) for key in (new.keys() | before.keys()) - _COLLECTED)


def _gathers(tree: Tree) -> bool:
    return bool((tree.get("aggregationRule") or {}).get("clusterRoleSelectors"))


def set_guard(strategies: Mapping[Resource, Any], guard: Guard) -> None:
    """From now on the guard is asked about writes of roles and bindings."""
    for resource in RESOURCES:
        strategies[resource].guard = guard
