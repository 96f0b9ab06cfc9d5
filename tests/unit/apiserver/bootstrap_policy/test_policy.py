"""The default roles and bindings are upstream's, and what is missing of them is added."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from apiserver.bootstrap_policy import policy, text
from apiserver.bootstrap_policy.policy import AUTOUPDATE
from apiserver.bootstrap_policy.reconcile import Keep, Recreate, Update, reconciled

RECORDED = Path(__file__).parents[4] / "../shared/upstream/bootstrap.jsonl"
Tree = dict[str, Any]


def key(tree: Tree) -> tuple[str, str, str]:
    metadata = tree["metadata"]
    return tree["kind"], metadata.get("namespace", ""), metadata["name"]


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded facts stand beside the project")
def test_they_are_upstreams() -> None:
    rows = [json.loads(line) for line in RECORDED.read_text().splitlines()]
    want = {key(row): row for row in rows if row["apiVersion"].startswith("rbac.")}
    assert {key(tree): tree for _, tree in policy.objects()} == want


def test_roles_come_before_their_bindings() -> None:
    seen = set()
    for resource, tree in policy.objects():
        seen.add(key(tree))
        if "roleRef" in tree:
            ref = tree["roleRef"]
            namespace = tree["metadata"].get("namespace", "") if ref["kind"] == "Role" else ""
            assert (ref["kind"], namespace, ref["name"]) in seen, tree["metadata"]["name"]
        assert resource.kind == tree["kind"]


def test_nodes_have_rules() -> None:
    assert {"verbs": ["get", "list", "watch"], "apiGroups": [""], "resources": ["services"]} in (
        policy.node_rules()
    )


@pytest.mark.parametrize("line", ["  get", "  get | core | pods | x | y"])
def test_lines_that_say_nothing(line: str) -> None:
    with pytest.raises(ValueError, match="not a rule"):
        text.rule(line)


def default(name: str) -> Tree:
    return next(tree for _, tree in policy.objects() if tree["metadata"]["name"] == name)


@pytest.mark.parametrize(
    "tree", [tree for _, tree in policy.objects()], ids=lambda one: key(one)[2]
)
def test_nothing_is_to_do_where_all_is_there(tree: Tree) -> None:
    assert reconciled(tree, tree) == Keep()


def test_rights_that_are_missing_are_added_and_others_kept() -> None:
    want = default("system:basic-user")
    own = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
    found = {**want, "rules": [own, want["rules"][1]]}
    step = reconciled(found, want)
    assert isinstance(step, Update)
    assert step.tree["rules"][:2] == [own, want["rules"][1]]
    added = {one["resources"][0] for one in step.tree["rules"][2:]}
    assert added == {"selfsubjectaccessreviews", "selfsubjectrulesreviews"}
    assert reconciled(step.tree, want) == Keep()


def test_wider_rights_need_no_addition() -> None:
    want = default("system:basic-user")
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    assert reconciled({**want, "rules": [everything]}, want) == Keep()


def test_who_does_not_want_it_is_left_alone() -> None:
    want = default("system:basic-user")
    found = copy.deepcopy(want) | {"rules": []}
    found["metadata"]["annotations"] = {AUTOUPDATE: "false"}
    assert reconciled(found, want) == Keep()


def test_subjects_labels_and_selectors_are_added() -> None:
    want = default("cluster-admin")
    bound = next(
        tree for resource, tree in policy.objects()
        if resource is policy.CLUSTER_ROLE_BINDINGS and tree["metadata"]["name"] == "cluster-admin"
    )  # fmt: skip
    jane = {"kind": "User", "apiGroup": policy.GROUP, "name": "jane"}
    step = reconciled({**bound, "subjects": [jane]}, bound)
    assert isinstance(step, Update)
    assert step.tree["subjects"] == [jane, *bound["subjects"]]
    bare = copy.deepcopy(want)
    bare["metadata"]["labels"] = {"mine": "1"}
    step = reconciled(bare, want)
    assert isinstance(step, Update)
    assert step.tree["metadata"]["labels"] == {"mine": "1", **want["metadata"]["labels"]}
    view = default("view")
    step = reconciled({**view, "aggregationRule": None, "rules": []}, view)
    assert isinstance(step, Update)
    assert step.tree["aggregationRule"] == view["aggregationRule"]


def test_a_binding_of_another_role_is_made_anew() -> None:
    bound = next(tree for _, tree in policy.objects() if "roleRef" in tree)
    found = {**bound, "roleRef": {**bound["roleRef"], "name": "other"}}
    assert reconciled(found, bound) == Recreate()
