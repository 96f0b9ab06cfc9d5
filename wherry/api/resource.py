"""What a resource is: a collection of one kind, its names, its model, its verbs and paths."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cached_property

from wherry.api.model import GroupVersionKind, TypedModel

VERBS = (
    "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
)  # fmt: skip
NO_COLLECTION_DELETE = tuple(verb for verb in VERBS if verb != "deletecollection")
CREATE_ONLY = ("create",)
STATUS_VERBS = ("get", "patch", "update")


@dataclass(frozen=True)
class Subresource:
    """A path below an object. `kind` is what it answers with (and, mostly, takes)."""

    name: str
    kind: GroupVersionKind
    verbs: tuple[str, ...]


@dataclass(frozen=True, eq=False)  # one object per resource: equal and hashed by identity, fast
class Resource:
    """A collection of one kind.

    fields:       field selectors beyond metadata.name and metadata.namespace
    storage:      the path below /registry, where upstream's is not the plural
    stored:       False for kinds that are only asked and answered (reviews, bindings), and for
                  versions of a kind that is stored in another one
    """

    group: str
    version: str
    kind: str
    plural: str
    module: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = VERBS
    subresources: tuple[Subresource, ...] = ()
    fields: tuple[str, ...] = ()
    storage: str = ""
    stored: bool = True

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def list_kind(self) -> str:
        return f"{self.kind}List"

    @cached_property
    def gvk(self) -> GroupVersionKind:
        return GroupVersionKind(self.group, self.version, self.kind)

    @property
    def api_version(self) -> str:
        return self.gvk.api_version

    @property
    def qualified_name(self) -> str:
        """`deployments.apps`; just `pods` in the core group. Upstream's GroupResource.String()."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @cached_property
    def model(self) -> type[TypedModel]:
        """The kind's class; imported when first asked for."""
        found: type[TypedModel] = getattr(importlib.import_module(self.module), self.kind)
        return found

    @property
    def storage_prefix(self) -> str:
        """The etcd path below /registry, without slashes at its ends."""
        return self.storage or self.plural

    @property
    def root(self) -> str:
        """`/api/v1` or `/apis/<group>/<version>`."""
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection (all namespaces when `namespace` is empty) or an object."""
        parts = [self.root]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "/".join(parts)

    def subresource(self, name: str) -> Subresource | None:
        return next((sub for sub in self.subresources if sub.name == name), None)


def gvk(api_version: str, kind: str) -> GroupVersionKind:
    group, _, version = api_version.rpartition("/")
    return GroupVersionKind(group, version, kind)


def status(api_version: str, kind: str) -> Subresource:
    return Subresource("status", gvk(api_version, kind), STATUS_VERBS)


SCALE = Subresource("scale", gvk("autoscaling/v1", "Scale"), STATUS_VERBS)
