"""What tests of plug-ins are made of: a lister over a dict, writes, authorizers that know a few rights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apiserver.admission.interface import Attributes, Operation
from apiserver.authz.authorizer import Attributes as Asked
from apiserver.authz.authorizer import Decision, Rules
from apiserver.request import User
from wherry.api.scheme import Resource

Tree = dict[str, Any]


class Objects:
    """Objects by their plural."""

    def __init__(self, *found: tuple[str, Tree]) -> None:
        self._found = found

    def get(self, resource: Resource, namespace: str, name: str) -> Mapping[str, Any] | None:
        for plural, tree in self._found:
            metadata = tree["metadata"]
            if (plural, metadata.get("namespace", ""), metadata["name"]) == (
                resource.plural, namespace, name,
            ):  # fmt: skip
                return tree
        return None

    def list(self, resource: Resource, namespace: str = "") -> list[Mapping[str, Any]]:
        return [tree for plural, tree in self._found if plural == resource.plural]

    def each(
        self, resource: Resource, namespace: str = ""
    ) -> tuple[int, Iterator[Mapping[str, Any]]]:
        found = self.list(resource, namespace)
        return len(found), iter(found)


class Rights:
    """Allows what it is told: (verb, resource, subresource, name). Remembers what it was asked."""

    def __init__(self, *allowed: tuple[str, str, str, str]) -> None:
        self._allowed = frozenset(allowed)
        self.asked: list[Asked] = []

    def authorize(self, attributes: Asked) -> Decision:
        self.asked.append(attributes)
        key = attributes.verb, attributes.resource, attributes.subresource, attributes.name
        return Decision(key in self._allowed)

    def rules(self, user: User, namespace: str) -> Rules:
        return Rules()


def write(
    operation: Operation,
    resource: Resource,
    tree: Tree | None,
    old: Tree | None = None,
    *,
    user: User | None = None,
    subresource: str = "",
    namespace: str | None = None,
    name: str | None = None,
) -> Attributes:
    where = ("ns" if resource.namespaced else "") if namespace is None else namespace
    named = (tree or old or {}).get("metadata", {}).get("name", "") if name is None else name
    return Attributes(
        operation, resource, subresource, where, named, tree, old, user or User("u"), False
    )
