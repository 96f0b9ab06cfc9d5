"""Policy rules: compiled once, asked often. Pure.

Source: pkg/apis/rbac/v1/evaluation_helpers.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

ALL: Final = "*"


class Rule(NamedTuple):
    """A PolicyRule. Empty `names` mean every name; `tree` is the rule as it was written.

    prefixes: of paths, from nonResourceURLs that end with `*`
    """

    verbs: frozenset[str]
    groups: frozenset[str]
    resources: frozenset[str]
    names: frozenset[str]
    paths: frozenset[str]
    prefixes: tuple[str, ...]
    tree: Mapping[str, Any]

    def allows_resource(self, verb: str, group: str, resource: str, subresource: str) -> bool:
        """Whether it allows that for some name at least."""
        if verb not in self.verbs and ALL not in self.verbs:
            return False
        if group not in self.groups and ALL not in self.groups:
            return False
        wanted = self.resources
        if not subresource:
            return resource in wanted or ALL in wanted
        return (
            f"{resource}/{subresource}" in wanted or f"*/{subresource}" in wanted or ALL in wanted
        )

    def allows_path(self, verb: str, path: str) -> bool:
        if verb not in self.verbs and ALL not in self.verbs:
            return False
        return path in self.paths or any(path.startswith(prefix) for prefix in self.prefixes)


def compile_rule(tree: Mapping[str, Any]) -> Rule:
    """A rule's tree, ready to be asked."""
    urls: Iterable[str] = tree.get("nonResourceURLs") or ()
    return Rule(
        frozenset(tree.get("verbs") or ()),
        frozenset(tree.get("apiGroups") or ()),
        frozenset(tree.get("resources") or ()),
        frozenset(tree.get("resourceNames") or ()),
        frozenset(urls),
        tuple(url.rstrip("*") for url in urls if url.endswith("*")),
        tree,
    )


def compile_rules(trees: Iterable[Mapping[str, Any]] | None) -> tuple[Rule, ...]:
    return tuple(compile_rule(tree) for tree in trees or ())
