"""RBAC as plainly as it can be said: walk over everything, compare strings. To test against.

Written from upstream's rules (`appliesTo`, `RuleAllows`, `VisitRulesFor`), not from our code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apiserver.authz.authorizer import Attributes
from apiserver.request import User

Tree = dict[str, Any]


class Model:
    """All objects as trees, by kind, namespace and name."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Tree] = {}

    def put(self, tree: Tree) -> None:
        self.objects[_key(tree)] = tree

    def delete(self, tree: Tree) -> None:
        self.objects.pop(_key(tree), None)

    def authorize(self, asked: Attributes) -> tuple[bool, str]:
        errors: list[str] = []
        for source, rule, error in self._visit(asked.user, asked.namespace):
            if error:
                errors.append(error)
            elif _allows(rule, asked):
                return True, f"RBAC: allowed by {source}"
        unique = list(dict.fromkeys(errors))
        if not unique:
            return False, ""
        return False, "RBAC: " + (unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]")

    def rules(self, user: User, namespace: str) -> list[Tree]:
        return [rule for _, rule, error in self._visit(user, namespace) if not error]

    def _visit(self, user: User, namespace: str) -> Iterator[tuple[str, Tree, str]]:
        for kind, scope in (("ClusterRoleBinding", ""), ("RoleBinding", namespace)):
            if kind == "RoleBinding" and not namespace:
                continue
            for key in sorted(self.objects):
                if key[0] == kind and key[1] == scope:
                    yield from self._of_binding(self.objects[key], user, scope)

    def _of_binding(self, binding: Tree, user: User, scope: str) -> Iterator[tuple[str, Tree, str]]:
        subject = next((s for s in binding["subjects"] if _means(s, user, scope)), None)
        if subject is None:
            return
        ref = binding["roleRef"]
        role = self.objects.get((ref["kind"], scope if ref["kind"] == "Role" else "", ref["name"]))
        if role is None:
            kind = ref["kind"].lower()
            yield "", {}, f'{kind}.rbac.authorization.k8s.io "{ref["name"]}" not found'
            return
        name = binding["metadata"]["name"]
        shown = f"{name}/{scope}" if scope else name
        who = subject["name"]
        if subject["kind"] == "ServiceAccount":
            who = f"{who}/{subject.get('namespace') or scope}"
        source = (
            f'{binding["kind"]} "{shown}" of {ref["kind"]} "{ref["name"]}" to '
            f'{subject["kind"]} "{who}"'
        )
        for rule in role["rules"]:
            yield source, rule, ""


def _key(tree: Tree) -> tuple[str, str, str]:
    metadata = tree["metadata"]
    return tree["kind"], metadata.get("namespace", ""), metadata["name"]


def _means(subject: Tree, user: User, scope: str) -> bool:
    if subject["kind"] == "User":
        return bool(user.name == subject["name"])
    if subject["kind"] == "Group":
        return subject["name"] in user.groups
    where = subject.get("namespace") or scope
    return bool(where) and user.name == f"system:serviceaccount:{where}:{subject['name']}"


def _allows(rule: Tree, asked: Attributes) -> bool:
    if not any(verb in ("*", asked.verb) for verb in rule["verbs"]):
        return False
    if asked.path:
        return any(_path(url, asked.path) for url in rule.get("nonResourceURLs", ()))
    if not any(group in ("*", asked.group) for group in rule.get("apiGroups", ())):
        return False
    if not any(_resource(one, asked) for one in rule.get("resources", ())):
        return False
    names = rule.get("resourceNames", ())
    return not names or asked.name in names


def _path(url: str, path: str) -> bool:
    return url in ("*", path) or (url.endswith("*") and path.startswith(url.rstrip("*")))


def _resource(resource: str, asked: Attributes) -> bool:
    if resource == "*":
        return True
    if asked.subresource:
        return resource in (f"{asked.resource}/{asked.subresource}", f"*/{asked.subresource}")
    return resource == asked.resource
