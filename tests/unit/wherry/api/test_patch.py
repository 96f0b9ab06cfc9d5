"""JSON Patch and merge patch: laws, RFC examples, upstream's refusals."""

from __future__ import annotations

import copy
import json

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.api.patch import (
    MAX_OPERATIONS,
    PatchError,
    copy_tree,
    diff_merge_patch,
    json_patch,
    merge_patch,
)

keys = st.sampled_from(["a", "b", "c/d", "e~f", ""])
scalars = st.one_of(st.booleans(), st.integers(-3, 3), st.sampled_from(["", "x", "y"]))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=8,
)
trees = st.dictionaries(keys, values, max_size=4)


def as_json(tree) -> str:
    """Python takes 1 and True for equal; JSON does not."""
    return json.dumps(tree, sort_keys=True)


@given(trees, trees)
def test_applying_a_merge_diff_gives_the_target(old, new) -> None:
    before = copy.deepcopy(old)
    patched = merge_patch(old, diff_merge_patch(old, new))
    assert as_json(patched) == as_json(new)
    assert old == before


@given(trees)
def test_a_merge_diff_of_equals_is_empty(tree) -> None:
    assert diff_merge_patch(tree, copy.deepcopy(tree)) == {}


@given(trees, trees)
def test_applying_a_json_diff_gives_the_target(old, new) -> None:
    before = copy.deepcopy(old)
    operations = jsonpatch.make_patch(old, new).patch
    assert json_patch(old, operations) == jsonpatch.apply_patch(old, operations)
    assert old == before


@pytest.mark.parametrize(
    ("tree", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b", "b": 1}, {"a": None}, {"b": 1}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        (["a"], {"a": "c"}, {"a": "c"}),
    ],
    ids=str,
)
def test_merge_patch_examples_of_rfc_7386(tree, patch, expected) -> None:
    assert merge_patch(tree, patch) == expected


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "add", "path": "/l/0", "value": 0}], {"l": [0, 1, 2]}),
        ([{"op": "add", "path": "/l/-", "value": 3}], {"l": [1, 2, 3]}),
        ([{"op": "add", "path": "/l/-1", "value": 3}], {"l": [1, 2, 3]}),
        ([{"op": "remove", "path": "/l/-1"}], {"l": [1]}),
        ([{"op": "replace", "path": "/l/1", "value": 9}], {"l": [1, 9]}),
        ([{"op": "move", "from": "/l/0", "path": "/x"}], {"l": [2], "x": 1}),
        ([{"op": "copy", "from": "/l", "path": "/m"}], {"l": [1, 2], "m": [1, 2]}),
        ([{"op": "test", "path": "/l/0", "value": 1}], {"l": [1, 2]}),
        ([{"op": "test", "path": "/none", "value": None}], {"l": [1, 2]}),
        ([{"op": "add", "path": "", "value": {}}], {}),
        ([{"op": "add", "path": "/a~1b~0", "value": 1}], {"l": [1, 2], "a/b~": 1}),
    ],
    ids=str,
)
def test_json_patch_operations(operations, expected) -> None:
    assert json_patch({"l": [1, 2]}, operations) == expected


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (
            {"op": "add", "path": "/a/b", "value": 1},
            'add operation does not apply: doc is missing path: "/a/b": missing value',
        ),
        (
            {"op": "remove", "path": "/a"},
            'remove operation does not apply: doc is missing path: "/a": missing value',
        ),
        (
            {"op": "replace", "path": "/a", "value": 1},
            'replace operation does not apply: doc is missing key: "/a": missing value',
        ),
        ({"op": "test", "path": "/l/0", "value": True}, "testing value /l/0 failed: test failed"),
        ({"op": "jump", "path": "/l"}, "Unexpected kind: jump"),
        ({"op": "add"}, "operation missing path field"),
        ({"op": "move", "path": "/x"}, "operation missing from field"),
        ({"op": "add", "path": "/l/7", "value": 1}, "Unable to access invalid index: 7"),
        ({"op": "add", "path": "/l/x", "value": 1}, "not a proper array index"),
        ({"op": "add", "path": "/l/--1", "value": 1}, "not a proper array index"),
        ({"op": "add", "path": f"/l/{'9' * 5000}", "value": 1}, "not a proper array index"),
        ({"op": "remove", "path": "/l/--1"}, "missing path"),
        ({"op": "remove", "path": f"/l/{'9' * 5000}"}, "missing path"),
        ({"op": "remove", "path": ""}, "the whole document"),
        ({"op": "add", "path": "l", "value": 1}, "missing path"),
        ("add", "operation missing path field"),
    ],
    ids=str,
)
def test_json_patch_refusals(operation, message: str) -> None:
    tree = {"l": [1, 2]}
    with pytest.raises(PatchError) as caught:
        json_patch(tree, [{"op": "add", "path": "/new", "value": 1}, operation])
    assert message in str(caught.value)
    assert tree == {"l": [1, 2]}


def test_too_many_operations_are_refused() -> None:
    operation = {"op": "test", "path": "", "value": {}}
    with pytest.raises(PatchError, match="maximum operations in a JSON patch is 10000, got 10001"):
        json_patch({}, [operation] * (MAX_OPERATIONS + 1))


def test_copies_share_nothing() -> None:
    tree = {"a": [{"b": 1}]}
    copied = copy_tree(tree)
    copied["a"][0]["b"] = 2
    assert tree == {"a": [{"b": 1}]}


def test_copies_of_copies_are_bounded() -> None:
    doubling = [{"op": "copy", "from": "/a", "path": f"/a/x{number}"} for number in range(40)]
    with pytest.raises(PatchError, match="limit"):
        json_patch({"a": {"text": "x" * 1000}}, doubling)
