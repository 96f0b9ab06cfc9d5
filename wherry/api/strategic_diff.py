"""The strategic merge patch that `apply` sends: what the user changed since last time, no more.

Three versions are compared: what the user sent last (`original`), what they send now (`modified`)
and what is stored (`current`). Fields the user never had are not touched; what they dropped is
removed. Lists whose items cannot be told apart by their merge key are replaced whole.

Source: CreateThreeWayMergePatch of k8s.io/apimachinery/pkg/util/strategicpatch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from wherry.api.patch import Tree, copy_tree
from wherry.api.shape import FieldShape, Shape

DIRECTIVE: Final = "$patch"
RETAIN_KEYS: Final = "$retainKeys"
SET_ORDER: Final = "$setElementOrder/"
DELETE_FROM_LIST: Final = "$deleteFromPrimitiveList/"


def create_three_way(
    original: Mapping[str, Any],
    modified: Mapping[str, Any],
    current: Mapping[str, Any],
    shape: Shape | None,
) -> Tree:
    """The patch for `current`; empty when there is nothing to do."""
    fields = shape.fields if shape else {}
    return _maps(original, modified, current, fields, None)


def _maps(
    original: Mapping[str, Any],
    modified: Mapping[str, Any],
    current: Mapping[str, Any],
    fields: Mapping[str, FieldShape],
    element: FieldShape | None,
) -> Tree:
    """`fields` for a struct, `element` for a map with free keys."""
    patch: Tree = {
        key: None for key in original if key not in modified and current.get(key) is not None
    }
    for key, wanted in modified.items():
        field = element or fields.get(key)
        found = current.get(key)
        if found is None:
            patch[key] = copy_tree(wanted)
        elif found != wanted:
            patch.update(_changed(key, original.get(key), wanted, found, field))
    return patch


def _changed(
    key: str, original: Any, wanted: Any, found: Any, field: FieldShape | None
) -> Mapping[str, Any]:
    """The patch's entries for one field that differs."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        inner = _inner(original if isinstance(original, dict) else {}, wanted, found, field)
        if inner and field is not None and field.traits.retain_keys:
            inner[RETAIN_KEYS] = sorted(wanted)
        return {key: inner} if inner else {}
    merge_key = field.traits.merge_key if field else None
    if not isinstance(wanted, list) or not isinstance(found, list) or merge_key is None:
        return {key: copy_tree(wanted)}
    before = original if isinstance(original, list) else []
    if merge_key == "":
        return _sets(key, before, wanted, found)
    assert field is not None, "a merge key comes from a field"
    lists = (before, wanted, found)
    if not all(_is_keyed(one, merge_key) for one in lists):
        return {key: [{DIRECTIVE: "replace"}, *copy_tree(wanted)]}
    return _keyed_lists(key, before, wanted, found, field)


def _inner(
    original: Mapping[str, Any], wanted: Tree, found: Tree, field: FieldShape | None
) -> Tree:
    if field is not None and field.kind == "map":
        return _maps(original, wanted, found, {}, field.element)
    return create_three_way(original, wanted, found, field.child if field else None)


def _sets(
    key: str, original: Sequence[Any], wanted: Sequence[Any], found: Sequence[Any]
) -> Mapping[str, Any]:
    patch: Tree = {}
    if added := [item for item in wanted if item not in found]:
        patch[key] = added
    if gone := [item for item in original if item not in wanted and item in found]:
        patch[DELETE_FROM_LIST + key] = gone
    if patch or [item for item in found if item in wanted] != list(wanted):
        patch[SET_ORDER + key] = list(wanted)
    return patch


def _keyed_lists(
    key: str,
    original: Sequence[Tree],
    wanted: Sequence[Tree],
    found: Sequence[Tree],
    field: FieldShape,
) -> Mapping[str, Any]:
    name = field.traits.merge_key
    assert name, "only keyed lists come here"
    before = {item[name]: item for item in original}
    now = {item[name]: item for item in found}
    asked = {item[name]: item for item in wanted}
    items: list[Tree] = []
    for identity, item in asked.items():
        if identity not in now:
            items.append(copy_tree(item))
            continue
        inner = create_three_way(before.get(identity, {}), item, now[identity], field.child)
        if inner and field.traits.retain_keys:
            inner[RETAIN_KEYS] = sorted(item)
        if inner:
            items.append({name: identity, **inner})
    items += [
        {DIRECTIVE: "delete", name: identity}
        for identity in before
        if identity not in asked and identity in now
    ]
    patch: Tree = {key: items} if items else {}
    if items or [identity for identity in now if identity in asked] != list(asked):
        patch[SET_ORDER + key] = [{name: identity} for identity in asked]
    return patch


def _is_keyed(items: Sequence[Any], key: str) -> bool:
    """Whether every item has the key, and no two have the same."""
    identities = [item.get(key) if isinstance(item, dict) else None for item in items]
    return None not in identities and len(set(identities)) == len(identities)
