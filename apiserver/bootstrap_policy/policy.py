"""The default roles and bindings as objects. Pure, and made anew at each call.

Source: plugin/pkg/auth/authorizer/rbac/bootstrappolicy.
"""

from __future__ import annotations

from typing import Any, Final

from apiserver.bootstrap_policy import controllers, text, users
from wherry.api.scheme import BY_PLURAL, Resource

GROUP: Final = "rbac.authorization.k8s.io"
CLUSTER_ROLES: Final = BY_PLURAL[GROUP, "v1", "clusterroles"]
CLUSTER_ROLE_BINDINGS: Final = BY_PLURAL[GROUP, "v1", "clusterrolebindings"]
ROLES: Final = BY_PLURAL[GROUP, "v1", "roles"]
ROLE_BINDINGS: Final = BY_PLURAL[GROUP, "v1", "rolebindings"]

AUTOUPDATE: Final = "rbac.authorization.kubernetes.io/autoupdate"
_LABEL: Final = "kubernetes.io/bootstrapping"
_CONTROLLER: Final = "system:controller:"
_AGGREGATE: Final = f"{GROUP}/aggregate-to-"
# The roles that are gathered from others.
_GATHERED: Final = ("admin", "edit", "view")
# What else a gathered or gathering role is part of.
_PART_OF: Final = {
    "edit": "admin",
    "view": "edit",
    "system:aggregate-to-admin": "admin",
    "system:aggregate-to-edit": "edit",
    "system:aggregate-to-view": "view",
}
# Binding → (subjects, role), the role where it is named otherwise.
_CLUSTER_BINDINGS: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "cluster-admin": (("Group system:masters",), ""),
    "system:basic-user": (("Group system:authenticated",), ""),
    "system:discovery": (("Group system:authenticated",), ""),
    "system:kube-controller-manager": (("User system:kube-controller-manager",), ""),
    "system:kube-dns": (("ServiceAccount kube-dns",), ""),
    "system:kube-scheduler": (("User system:kube-scheduler",), ""),
    "system:monitoring": (("Group system:monitoring",), ""),
    "system:node": ((), ""),  # nodes are the Node authorizer's
    "system:node-proxier": (("User system:kube-proxy",), ""),
    "system:public-info-viewer": (
        ("Group system:authenticated", "Group system:unauthenticated"), "",
    ),
    "system:service-account-issuer-discovery": (("Group system:serviceaccounts",), ""),
    "system:volume-scheduler": (("User system:kube-scheduler",), ""),
}  # fmt: skip
_BINDINGS: Final[dict[tuple[str, str], tuple[tuple[str, ...], str]]] = {
    ("kube-public", "system:controller:bootstrap-signer"): (("ServiceAccount bootstrap-signer",), ""),
    ("kube-system", "system::extension-apiserver-authentication-reader"): (
        ("User system:kube-controller-manager", "User system:kube-scheduler"),
        "extension-apiserver-authentication-reader",
    ),
    ("kube-system", "system::leader-locking-kube-controller-manager"): (
        (
            "User system:kube-controller-manager",
            "ServiceAccount kube-controller-manager",
            "ServiceAccount leader-election-controller",
        ),
        "",
    ),
    ("kube-system", "system::leader-locking-kube-scheduler"): (
        ("User system:kube-scheduler", "ServiceAccount kube-scheduler"), "",
    ),
    ("kube-system", "system:controller:bootstrap-signer"): (("ServiceAccount bootstrap-signer",), ""),
    ("kube-system", "system:controller:cloud-provider"): (("ServiceAccount cloud-provider",), ""),
    ("kube-system", "system:controller:token-cleaner"): (("ServiceAccount token-cleaner",), ""),
}  # fmt: skip

Tree = dict[str, Any]


def objects() -> list[tuple[Resource, Tree]]:
    """All of them: roles before the bindings that name them."""
    cluster_roles = [*text.roles(users.CLUSTER_ROLES), *text.roles(controllers.CLUSTER_ROLES)]
    made = [(CLUSTER_ROLES, _cluster_role(name, rules)) for name, rules in cluster_roles]
    for heading, rules in text.roles(controllers.ROLES):
        namespace, name = heading.split(" ")
        made.append((ROLES, _object(ROLES, name, namespace) | {"rules": rules}))
    for name, (subjects, role) in _cluster_bindings([name for name, _ in cluster_roles]).items():
        tree = _object(CLUSTER_ROLE_BINDINGS, name) | _bound(subjects, "ClusterRole", role or name)
        made.append((CLUSTER_ROLE_BINDINGS, tree))
    for (namespace, name), (subjects, role) in _BINDINGS.items():
        tree = _object(ROLE_BINDINGS, name, namespace) | _bound(subjects, "Role", role or name)
        made.append((ROLE_BINDINGS, tree))
    return made


def node_rules() -> list[Tree]:
    """What a node may do apart from what the Node authorizer decides object by object."""
    return next(rules for name, rules in text.roles(users.CLUSTER_ROLES) if name == "system:node")


def _cluster_bindings(roles: list[str]) -> dict[str, tuple[tuple[str, ...], str]]:
    """A controller's role is bound to its own service account."""
    controllers = {
        name: ((f"ServiceAccount {name.removeprefix(_CONTROLLER)}",), "")
        for name in roles
        if name.startswith(_CONTROLLER)
    }
    return _CLUSTER_BINDINGS | controllers


def _object(resource: Resource, name: str, namespace: str = "") -> Tree:
    metadata: Tree = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    metadata["labels"] = {_LABEL: "rbac-defaults"}
    metadata["annotations"] = {AUTOUPDATE: "true"}
    return {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}


def _cluster_role(name: str, rules: list[Tree]) -> Tree:
    tree = _object(CLUSTER_ROLES, name)
    if name in _PART_OF:
        tree["metadata"]["labels"][_AGGREGATE + _PART_OF[name]] = "true"
    if name in _GATHERED:
        selector = {"matchLabels": {_AGGREGATE + name: "true"}}
        return tree | {"rules": None, "aggregationRule": {"clusterRoleSelectors": [selector]}}
    return tree | {"rules": rules}


def _bound(subjects: tuple[str, ...], kind: str, role: str) -> Tree:
    tree: Tree = {"roleRef": {"apiGroup": GROUP, "kind": kind, "name": role}}
    if subjects:
        tree["subjects"] = [_subject(*one.split(" ")) for one in subjects]
    return tree


def _subject(kind: str, name: str) -> Tree:
    """The service accounts among them are all of kube-system."""
    if kind == "ServiceAccount":
        return {"kind": kind, "name": name, "namespace": "kube-system"}
    return {"kind": kind, "apiGroup": GROUP, "name": name}
