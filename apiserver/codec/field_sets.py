"""Sets of fields in the form the wire gives them (`fieldsV1`), and the arithmetic on them.

A set is a tree of path elements (`f:name`, `k:{"name":"x"}`, `v:1`). A node without content is a
member; a node with content is one only if it holds `"."`. The root is never a member, and an empty
root is the empty set. Nothing here changes its arguments; results share nodes with them.

Source: sigs.k8s.io/structured-merge-diff/fieldpath (Set, serialize).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Node = dict[str, Any]
SELF = "."


def is_member(node: Mapping[str, Any]) -> bool:
    return not node or SELF in node


def is_set(tree: Any) -> bool:
    """Whether this is a set at all: path elements all the way, keys and values as JSON."""
    if not isinstance(tree, dict):
        return False
    return all(
        node == {} if key == SELF else _is_element(key) and is_set(node)
        for key, node in tree.items()
    )


def _is_element(key: str) -> bool:
    kind, colon, text = key.partition(":")
    if not colon or kind == "f":
        return bool(colon)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    wanted = {"k": dict, "v": object, "i": int}.get(kind)
    return wanted is not None and isinstance(value, wanted)


def node_of(member: bool, children: Node) -> Node:
    """A node from its parts; neither a member nor with children is no node at all."""
    assert member or children, "an empty node would read as a member"
    return {SELF: {}, **children} if member and children else children


def union(left: Mapping[str, Any], right: Mapping[str, Any]) -> Node:
    """What is in either set."""
    merged = {**left}
    for key, node in right.items():
        if key != SELF:
            merged[key] = _union_nodes(merged[key], node) if key in merged else node
    return dict(sorted(merged.items()))


def _union_nodes(left: Mapping[str, Any], right: Mapping[str, Any]) -> Node:
    if left == right:
        return dict(left)
    member = is_member(left) or is_member(right)
    children = union(_children(left), _children(right))
    return node_of(member, children)


def difference(left: Mapping[str, Any], right: Mapping[str, Any]) -> Node:
    """What is in `left` and not, by exactly the same path, in `right`."""
    rest: Node = {}
    for key, node in left.items():
        if key == SELF:
            continue
        kept = _difference_nodes(node, right[key]) if key in right else node
        if kept is not None:
            rest[key] = kept
    return rest


def _difference_nodes(left: Mapping[str, Any], right: Mapping[str, Any]) -> Node | None:
    member = is_member(left) and not is_member(right)
    children = difference(_children(left), _children(right))
    return node_of(member, children) if member or children else None


def _children(node: Mapping[str, Any]) -> Mapping[str, Any]:
    if SELF not in node:
        return node
    return {key: child for key, child in node.items() if key != SELF}


def intersection(left: Mapping[str, Any], right: Mapping[str, Any]) -> Node:
    """What is in both sets by exactly the same path."""
    shared: Node = {}
    for key, node in left.items():
        if key == SELF or key not in right:
            continue
        member = is_member(node) and is_member(right[key])
        children = intersection(_children(node), _children(right[key]))
        if member or children:
            shared[key] = node_of(member, children)
    return shared


def paths(node: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Every member as people read it: `.spec.containers[name="c"].image`."""
    for key, child in node.items():
        if key == SELF:
            continue
        path = prefix + _readable(key)
        if is_member(child):
            yield path
        yield from paths(child, path)


def _readable(key: str) -> str:
    kind, _, rest = key.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind != "k":
        return f"[={rest}]" if kind == "v" else f"[{rest}]"
    pairs = (f"{name}={json.dumps(value)}" for name, value in json.loads(rest).items())
    return "[" + ",".join(pairs) + "]"
