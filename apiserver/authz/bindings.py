"""Who is bound to which rules, by subject: what a request asks for is found, not searched.

A binding is entered under each of its subjects, so a user's bindings are found by the names of the
user and its groups, however many bindings there are. Rules are compiled once for each role. Pure.

Source: pkg/registry/rbac/validation/rule.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from apiserver.authz.rules import Rule, compile_rules
from apiserver.request import User
from wherry.api.errors import go_quote

GROUP: Final = "rbac.authorization.k8s.io"

Tree = Mapping[str, Any]


class RoleRef(NamedTuple):
    """A role. `namespace` is "" for a ClusterRole."""

    kind: str
    namespace: str
    name: str


class Grant(NamedTuple):
    """A binding as one of its subjects sees it.

    position: of the first such subject among the binding's subjects
    source:   the binding, its role and the subject, as a decision's reason names them
    """

    binding: str
    position: int
    role: RoleRef
    source: str


class Bindings:
    """Roles and bindings, indexed."""

    def __init__(self) -> None:
        self._roles: dict[RoleRef, tuple[Rule, ...]] = {}
        # Namespace ("" for all) → subject → binding → grant.
        self._grants: dict[str, dict[str, dict[str, Grant]]] = {}
        self._subjects: dict[tuple[str, str], tuple[str, ...]] = {}
        self.looked_at = 0  # grants and rules that answers had to look at, for tests

    # --- what there is ---

    def set_role(self, ref: RoleRef, rules: Sequence[Tree] | None) -> None:
        self._roles[ref] = compile_rules(rules)

    def drop_role(self, ref: RoleRef) -> None:
        self._roles.pop(ref, None)

    def clear_roles(self, kind: str) -> None:
        self._roles = {ref: rules for ref, rules in self._roles.items() if ref.kind != kind}

    def set_binding(self, tree: Tree) -> None:
        """Enter a RoleBinding, or a ClusterRoleBinding (which has no namespace)."""
        metadata = tree["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        self.drop_binding(namespace, name)
        role = role_of(tree["roleRef"], namespace)
        kind, known = ("RoleBinding", f"{name}/{namespace}") if namespace else (
            "ClusterRoleBinding", name
        )  # fmt: skip
        granted = f"{kind} {go_quote(known)} of {role.kind} {go_quote(role.name)} to "
        found: dict[str, Grant] = {}
        for position, subject in enumerate(tree.get("subjects") or ()):
            key, words = _subject(subject, namespace)
            if key:
                found.setdefault(key, Grant(name, position, role, granted + words))
        grants = self._grants.setdefault(namespace, {})
        for key, grant in found.items():
            grants.setdefault(key, {})[name] = grant
        self._subjects[namespace, name] = tuple(found)

    def drop_binding(self, namespace: str, name: str) -> None:
        grants = self._grants.get(namespace, {})
        for key in self._subjects.pop((namespace, name), ()):
            found = grants[key]
            del found[name]
            if not found:
                del grants[key]
        if namespace and not grants:
            self._grants.pop(namespace, None)

    def clear_bindings(self, *, namespaced: bool) -> None:
        """Forget all RoleBindings, or all ClusterRoleBindings."""
        for namespace, name in list(self._subjects):
            if bool(namespace) == namespaced:
                self.drop_binding(namespace, name)

    # --- what follows from it ---

    def rules_of(self, ref: RoleRef) -> tuple[Rule, ...] | None:
        """A role's rules; None when there is no such role."""
        return self._roles.get(ref)

    def visit(self, user: User, namespace: str) -> Iterator[tuple[Grant, Rule | None]]:
        """All that a user is granted: cluster-wide first, by binding name; None for a lost role."""
        for scope in ("", namespace) if namespace else ("",):
            for grant in self._granted(user, scope):
                rules = self._roles.get(grant.role)
                if rules is None:
                    yield grant, None
                    continue
                for rule in rules:
                    self.looked_at += 1
                    yield grant, rule

    def _granted(self, user: User, scope: str) -> list[Grant]:
        grants = self._grants.get(scope)
        if not grants:
            return []
        best: dict[str, Grant] = {}
        for key in (_user(user.name), *map(_group, user.groups)):
            for binding, grant in grants.get(key, {}).items():
                self.looked_at += 1
                known = best.get(binding)
                if known is None or grant.position < known.position:
                    best[binding] = grant
        return [best[binding] for binding in sorted(best)]


def role_of(ref: Tree, namespace: str) -> RoleRef:
    """The role that a binding in `namespace` ("" for all) names."""
    kind: str = ref["kind"]
    return RoleRef(kind, namespace if kind == "Role" else "", ref["name"])


def lost(ref: RoleRef) -> str:
    """What is said of a binding whose role is not there."""
    if ref.kind not in ("Role", "ClusterRole"):
        return f"unsupported role reference kind: {go_quote(ref.kind)}"
    return f"{ref.kind.lower()}.{GROUP} {go_quote(ref.name)} not found"


def _user(name: str) -> str:
    return f"u:{name}"


def _group(name: str) -> str:
    return f"g:{name}"


def _subject(subject: Tree, namespace: str) -> tuple[str, str]:
    """Whom a subject means, and how it is called; "" for nobody."""
    kind, name = subject["kind"], subject["name"]
    if kind == "User":
        return _user(name), f"{kind} {go_quote(name)}"
    if kind == "Group":
        return _group(name), f"{kind} {go_quote(name)}"
    where = subject.get("namespace") or namespace
    if kind != "ServiceAccount" or not where:
        return "", ""
    return _user(f"system:serviceaccount:{where}:{name}"), f"{kind} {go_quote(f'{name}/{where}')}"
