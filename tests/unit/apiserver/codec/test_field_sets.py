"""Set arithmetic on fieldsV1, against plain sets of paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.codec.field_sets import difference, is_member, is_set, union

paths = st.sets(st.tuples(*[st.sampled_from(["f:a", "f:b"])] * 3).flatmap(
    lambda path: st.integers(1, 3).map(lambda length: path[:length])
))  # fmt: skip


def encode(members: set[tuple[str, ...]], prefix: tuple[str, ...] = ()) -> dict:
    """The wire form of a set of paths, written down the slow way."""
    node: dict = {}
    for key in sorted({p[len(prefix)] for p in members if len(p) > len(prefix) and p[: len(prefix)] == prefix}):  # fmt: skip
        path = (*prefix, key)
        inner = encode(members, path)
        node[key] = {".": {}, **inner} if path in members and inner else inner
    return node


def decode(node: dict, prefix: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found = set()
    for key, child in node.items():
        if key == ".":
            continue
        path = (*prefix, key)
        if is_member(child):
            found.add(path)
        found |= decode(child, path)
    return found


@given(paths)
def test_the_reference_round_trips(members) -> None:
    assert decode(encode(members)) == members


@given(paths, paths)
def test_union(left, right) -> None:
    assert union(encode(left), encode(right)) == encode(left | right)


@given(paths, paths)
def test_difference(left, right) -> None:
    assert difference(encode(left), encode(right)) == encode(left - right)


@given(paths, paths)
def test_arguments_stay_as_they_are(left, right) -> None:
    first, second = encode(left), encode(right)
    union(first, second)
    difference(first, second)
    assert (first, second) == (encode(left), encode(right))


@pytest.mark.parametrize(
    ("tree", "good"),
    [
        ({}, True),
        ({"f:a": {".": {}, 'k:{"name":"x"}': {"f:b": {}}, "v:1": {}, "i:0": {}}}, True),
        ({"f:a": []}, False),
        ({"f:a": {"f:b": None}}, False),
        ({"f:a": 1.5}, False),
        ({".": {"f:a": {}}}, False),
        ({"k:{": {}}, False),
        ({"k:1": {}}, False),
        ({"i:x": {}}, False),
        ({"a": {}}, False),
        ([], False),
    ],
)
def test_what_a_set_is(tree: object, good: bool) -> None:
    assert is_set(tree) is good
