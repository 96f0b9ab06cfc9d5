"""Strategic merge patch: merge patch that knows which lists are keyed, from the types' shapes.

`apply` understands all directives: `$patch: replace|delete|merge`, `$retainKeys`,
`$deleteFromPrimitiveList/<field>`, `$setElementOrder/<field>`. The order of a merged list is
upstream's: patched items in the patch's order, the others fitted in by where they stood. Where no
shape is known (free-form JSON) objects merge and lists are replaced.

`create_three_way` (see `strategic_diff`) is the other direction, for `wherry apply`.
Source: k8s.io/apimachinery/pkg/util/strategicpatch and its design document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from wherry.api.patch import MalformedPatch, PatchError, Tree, copy_tree, go_value
from wherry.api.shape import FieldShape, Shape
from wherry.api.strategic_diff import (
    DELETE_FROM_LIST,
    DIRECTIVE,
    RETAIN_KEYS,
    SET_ORDER,
    create_three_way,
)

__all__ = ["PatchError", "apply", "create_three_way"]

_DIRECTIVES: Final = ("replace", "delete", "merge")


def apply(original: Mapping[str, Any], patch: Mapping[str, Any], shape: Shape | None) -> Tree:
    """The patched object; shares nothing with `original`. PatchError when the patch is malformed."""
    return _merge_map(copy_tree(original), patch, shape)


def _merge_map(original: Tree, patch: Mapping[str, Any], shape: Shape | None) -> Tree:
    """Merge into `original` (which is ours to change) and return the result."""
    directive = _directive(patch)
    if directive == "replace":
        return _plain_map(patch)
    if directive == "delete":
        return {}
    _retain_keys(original, patch)
    fields = shape.fields if shape else {}
    ordered = {key.removeprefix(SET_ORDER) for key in patch if key.startswith(SET_ORDER)}
    for key, value in patch.items():
        if key in (DIRECTIVE, RETAIN_KEYS) or key in ordered:
            continue
        if key.startswith(SET_ORDER):
            name = key.removeprefix(SET_ORDER)
            _merge_ordered(original, name, patch.get(name), value, fields.get(name))
        elif key.startswith(DELETE_FROM_LIST):
            gone = _directed(value, "primitive list")
            name = key.removeprefix(DELETE_FROM_LIST)
            if isinstance(original.get(name), list):
                original[name] = [item for item in original[name] if item not in gone]
        elif value is None:
            original.pop(key, None)
        else:
            original[key] = _merge_value(original.get(key), value, fields.get(key))
    return original


def _merge_value(original: Any, value: Any, field: FieldShape | None) -> Any:
    if isinstance(value, Mapping) and isinstance(original, dict):
        if field is not None and field.kind == "map":
            return _merge_entries(original, value, field)
        return _merge_map(original, value, field.child if field else None)
    if isinstance(value, list) and isinstance(original, list) and field is not None:
        merge_key = field.traits.merge_key
        if merge_key is not None:
            merged = _merge_list(original, value, merge_key, field.child)
            present = [item for item in value if not _is_directive(item)]
            return _order(merged, present, original, merge_key)
    return _plain(value)


def _merge_entries(original: Tree, patch: Mapping[str, Any], field: FieldShape) -> Tree:
    """A map with free keys: its values merge by the elements' shape."""
    directive = _directive(patch)
    if directive == "replace":
        return _plain_map(patch)
    if directive == "delete":
        return {}
    for key, value in patch.items():
        if value is None:
            original.pop(key, None)
        elif key != DIRECTIVE:
            original[key] = _merge_value(original.get(key), value, field.element)
    return original


def _merge_list(
    original: list[Any], patch: Sequence[Any], key: str, child: Shape | None
) -> list[Any]:
    """Merge by key (or as a set when the key is ""); new items at the end, order not yet settled."""
    if not key:
        if any(isinstance(item, (dict, list)) for item in (*original, *patch)):
            raise PatchError("expected a list of scalars to merge as a set")
        return list(dict.fromkeys([*original, *patch]))
    merged = list(original)
    if any(_is_directive(item) and _directive(item) == "replace" for item in patch):
        return [_plain(item) for item in patch if not _is_directive(item)]
    for item in patch:
        if not isinstance(item, Mapping):
            raise PatchError(f"expected a map in a list that merges by {key}, got {item!r}")
        if key not in item:
            raise PatchError(f"map: {go_value(item)} does not contain declared merge key: {key}")
        places = [n for n, one in enumerate(merged) if _key_of(one, key) == item[key]]
        if _directive(item) == "delete":
            merged = [one for n, one in enumerate(merged) if n not in places]
        elif places:
            merged[places[0]] = _merge_map(merged[places[0]], item, child)
        else:
            merged.append(_plain(item))
    return merged


def _merge_ordered(
    original: Tree, name: str, patch: Any, order: Any, field: FieldShape | None
) -> None:
    """Merge a list and put it into the order that `$setElementOrder/<name>` states."""
    order = _directed(order, "setElementOrder list")
    key = (field.traits.merge_key or "") if field else ""
    if patch is None and name not in original:
        return
    before = [] if original.get(name) is None else _list(original[name], name)
    if patch is not None:
        wanted = [_identity(item, key) for item in order]
        given = [_identity(item, key) for item in _list(patch, name) if not _is_directive(item)]
        if [one for one in wanted if one in given] != given:
            raise PatchError(
                f"The order in patch list:\n{given}\n doesn't match {SET_ORDER}{name} list:\n{wanted}\n"
            )
        merged = _merge_list(list(before), patch, key, field.child if field else None)
    else:
        merged = list(before)
    original[name] = _order(merged, order, before, key)


def _order(merged: list[Any], wanted: Sequence[Any], before: Sequence[Any], key: str) -> list[Any]:
    """Wanted items in their order; each other item goes before the first wanted one that it
    preceded in the list as it was."""
    rank = _ranks(wanted, key)
    place = _ranks(before, key)

    def identity(item: Any) -> Any:
        return _identity(item, key)

    patched = sorted((i for i in merged if identity(i) in rank), key=lambda i: rank[identity(i)])
    others = [item for item in merged if identity(item) not in rank]
    others.sort(key=lambda item: place.get(identity(item), len(place)))
    result: list[Any] = []
    for item in patched:
        position = place.get(identity(item))
        while position is not None and others and _before(others[0], position, place, identity):
            result.append(others.pop(0))
        result.append(item)
    return result + others


def _before(
    item: Any, position: int, place: Mapping[Any, int], identity: Callable[[Any], Any]
) -> bool:
    return place.get(identity(item), position) < position


def _ranks(items: Sequence[Any], key: str) -> dict[Any, int]:
    ranks: dict[Any, int] = {}
    for index, item in enumerate(items):
        ranks.setdefault(_identity(item, key), index)
    return ranks


def _identity(item: Any, key: str) -> Any:
    found = item.get(key) if key and isinstance(item, Mapping) else item
    if isinstance(found, (dict, list)):
        raise PatchError(f"expected a scalar to merge a list by, got {found!r}")
    return found


def _key_of(item: Any, key: str) -> Any:
    return item.get(key) if isinstance(item, dict) else None


def _is_directive(item: Any) -> bool:
    """Whether a list's item is only there for its directive."""
    return isinstance(item, Mapping) and _directive(item) in ("replace", "delete")


def _directive(patch: Mapping[str, Any]) -> str:
    found = patch.get(DIRECTIVE, "")
    if found and (not isinstance(found, str) or found not in _DIRECTIVES):
        raise PatchError(f"unknown patch type found: {found}")
    return str(found)


def _retain_keys(original: Tree, patch: Mapping[str, Any]) -> None:
    if RETAIN_KEYS not in patch:
        return
    retained = _directed(patch[RETAIN_KEYS], "retainKeys")
    for key, value in patch.items():
        if value is not None and not key.startswith("$") and key not in retained:
            raise PatchError(f"{key} is not in {RETAIN_KEYS} of its patch")
    for key in [key for key in original if key not in retained]:
        del original[key]


def _directed(value: Any, what: str) -> list[Any]:
    """The list a directive must have."""
    if not isinstance(value, list):
        raise MalformedPatch(f"invalid patch format of {what}")
    return value


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise PatchError(f"{name}: expected a list, got {value!r}")
    return value


def _plain(value: Any) -> Any:
    """The value a patch leaves where there was nothing: a copy without directives and nulls."""
    if isinstance(value, Mapping):
        return _plain_map(value)
    if isinstance(value, list):
        return [_plain(item) for item in value if not _is_directive(item)]
    return value


def _plain_map(patch: Mapping[str, Any]) -> Tree:
    return {
        key: _plain(item)
        for key, item in patch.items()
        if item is not None
        and key not in (DIRECTIVE, RETAIN_KEYS)
        and not key.startswith((SET_ORDER, DELETE_FROM_LIST))
    }
