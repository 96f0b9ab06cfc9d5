"""Roles and bindings for tests, and windows that hold them as the watch cache does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from apiserver.authz.rbac import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    RESOURCES,
    ROLE_BINDINGS,
    ROLES,
    Policy,
    Rbac,
)
from apiserver.storage.cache import no_fields
from apiserver.storage.window import ResourceWindow
from wherry.api.scheme import Resource

Tree = dict[str, Any]


def rule(verbs: str, groups: str = "", resources: str = "", names: str = "") -> Tree:
    """A rule; the lists are separated by blanks, the core group is `core`."""
    made: Tree = {"verbs": verbs.split()}
    made["apiGroups"] = ["" if one == "core" else one for one in groups.split()]
    made["resources"] = resources.split()
    if names:
        made["resourceNames"] = names.split()
    return made


def paths(verbs: str, urls: str) -> Tree:
    return {"verbs": verbs.split(), "nonResourceURLs": urls.split()}


def role(name: str, *rules: Tree, namespace: str = "") -> Tree:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    kind = "Role" if namespace else "ClusterRole"
    return {"kind": kind, "metadata": metadata, "rules": list(rules)}


def binding(
    name: str, to: str, *subjects: str, namespace: str = "", kind: str = "ClusterRole"
) -> Tree:
    """A binding to `User jane`, `Group dev`, `ServiceAccount ns/name`."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": to},
        "subjects": [_subject(one) for one in subjects],
    }


def _subject(text: str) -> Tree:
    kind, name = text.split(" ")
    if kind == "ServiceAccount" and "/" in name:
        namespace, name = name.split("/")
        return {"kind": kind, "name": name, "namespace": namespace}
    return {"kind": kind, "name": name}


class Cluster:
    """The four windows of RBAC, and an authorizer over them."""

    def __init__(self, trees: Iterable[Tree] = ()) -> None:
        self.windows = {resource: ResourceWindow(resource, no_fields) for resource in RESOURCES}
        self.revision = 0
        self.policy = Policy(lambda resource: self.windows[resource])
        self.rbac = Rbac(self.policy)
        self.put(*trees)

    def put(self, *trees: Tree) -> None:
        for tree in trees:
            self.revision += 1
            metadata = {"uid": "u", **tree["metadata"]}
            self._window(tree).apply(
                metadata.get("namespace", ""),
                metadata["name"],
                _stored({**tree, "metadata": metadata}),
                self.revision,
                0.0,
            )

    def delete(self, tree: Tree) -> None:
        self.revision += 1
        metadata = tree["metadata"]
        self._window(tree).apply(
            metadata.get("namespace", ""), metadata["name"], None, self.revision, 0.0
        )

    def begin_anew(self, trees: Sequence[Tree]) -> None:
        """As after a compaction: everything is read again."""
        self.revision += 1
        for resource, window in self.windows.items():
            held = [
                window.read(
                    tree["metadata"].get("namespace", ""),
                    tree["metadata"]["name"],
                    _stored({**tree, "metadata": {"uid": "u", **tree["metadata"]}}),
                    self.revision,
                )
                for tree in trees
                if tree["kind"] == resource.kind
            ]
            window.reset(self.revision, held)

    def _window(self, tree: Tree) -> ResourceWindow:
        return self.windows[_RESOURCE[tree["kind"]]]


_RESOURCE: dict[str, Resource] = {
    one.kind: one for one in (CLUSTER_ROLES, ROLES, CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS)
}


def _stored(tree: Tree) -> bytes:
    head = {"kind": tree["kind"], "apiVersion": "rbac.authorization.k8s.io/v1"}
    return json.dumps({**head, **tree}, separators=(",", ":")).encode()
