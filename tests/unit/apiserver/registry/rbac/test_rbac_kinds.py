"""The rbac group: rules, roles and subjects."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.registry.strategies import STRATEGIES
from wherry.api.model import TypedModel
from wherry.api.rbac_v1 import ClusterRole, ClusterRoleBinding, Role, RoleBinding
from wherry.api.scheme import resource_of

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
GROUP = "rbac.authorization.k8s.io"
Tree = dict[str, Any]
Say = Callable[..., list[str]]

RULE: Tree = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
ROLE: Tree = {"kind": "ClusterRole", "name": "r"}
ACCOUNT: Tree = {"kind": "ServiceAccount", "name": "a", "namespace": "n"}


@pytest.mark.parametrize(
    ("model", "body", "words"),
    [
        (Role, {}, []),
        (Role, {"rules": [RULE]}, []),
        (
            Role,
            {"rules": [{"nonResourceURLs": ["/x"], "verbs": ["get"]}]},
            [
                'rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to '
                "non-resource URLs"
            ],
        ),
        (ClusterRole, {"rules": [{"nonResourceURLs": ["/x"], "verbs": ["get"]}]}, []),
        (
            ClusterRole,
            {"rules": [{**RULE, "nonResourceURLs": ["/x"]}]},
            [
                'rules[0].nonResourceURLs: Invalid value: ["/x"]: rules cannot apply to both regular '
                "resources and non-resource URLs"
            ],
        ),
        (
            ClusterRole,
            {"rules": [{}]},
            [
                "rules[0].verbs: Required value: verbs must contain at least one value",
                "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
                "rules[0].resources: Required value: resource rules must supply at least one resource",
            ],
        ),
        (
            ClusterRole,
            {"aggregationRule": {}},
            [
                "aggregationRule.clusterRoleSelectors: Required value: at least one "
                "clusterRoleSelector required if aggregationRule is non-nil"
            ],
        ),
        (RoleBinding, {"roleRef": {**ROLE, "kind": "Role"}, "subjects": [ACCOUNT]}, []),
        (
            ClusterRoleBinding,
            {"roleRef": {**ROLE, "kind": "Role"}},
            ['roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"'],
        ),
        (
            ClusterRoleBinding,
            {"roleRef": ROLE, "subjects": [{"kind": "ServiceAccount", "name": "a"}]},
            ["subjects[0].namespace: Required value"],
        ),
        (
            RoleBinding,
            {"roleRef": ROLE, "subjects": [{"kind": "User", "name": ""}]},
            [
                "subjects[0].name: Required value",
                'subjects[0].name: Invalid value: "": user name cannot be empty',
            ],
        ),
        (
            RoleBinding,
            {"roleRef": ROLE, "subjects": [{"kind": "Cat", "name": "c"}]},
            [
                'subjects[0].kind: Unsupported value: "Cat": supported values: "ServiceAccount", '
                '"User", "Group"'
            ],
        ),
    ],
)
def test_refusals(said: Say, model: type[TypedModel], body: Tree, words: list[str]) -> None:
    assert said(model, body) == words


def test_groups_of_names_are_filled_in(build: Any) -> None:
    body = {"roleRef": ROLE, "subjects": [ACCOUNT, {"kind": "Group", "name": "g"}]}
    tree = build(RoleBinding, body)
    assert tree["roleRef"]["apiGroup"] == GROUP
    assert [one.get("apiGroup") for one in tree["subjects"]] == [None, GROUP]


def test_the_role_is_for_life(said_of_change: Say) -> None:
    def change(tree: Tree) -> None:
        tree["roleRef"]["name"] = "other"

    (error,) = said_of_change(RoleBinding, {"roleRef": ROLE}, change)
    assert error.endswith("cannot change roleRef")


def test_any_path_segment_is_a_name() -> None:
    names = STRATEGIES[resource_of(Role)].name_errors
    assert not names("system:Node_1", prefix=False)
    assert names("a/b", prefix=False)


def test_row(build: Any) -> None:
    subjects = [ACCOUNT, {"kind": "User", "name": "u"}, {"kind": "User", "name": "v"}]
    tree = build(RoleBinding, {"roleRef": ROLE, "subjects": subjects})
    row = STRATEGIES[resource_of(RoleBinding)].row(tree, NOW)
    assert tuple(row) == ("x", "ClusterRole/r", "60m", "u, v", "", "n/a")
