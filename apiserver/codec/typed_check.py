"""Whether an applied configuration fits the type it is for: known fields, right JSON types, no duplicates.

Server-side apply refuses what other writes only warn of: a field nobody knows can't have an owner.
Source: sigs.k8s.io/structured-merge-diff/typed/validate.go.
"""

from __future__ import annotations

from typing import Any, Final

from apiserver.codec.field_sets import paths
from apiserver.codec.typed_trees import Type, element_key, type_of

_STRINGS: Final = frozenset({"string", "time", "micro-time", "byte"})
_NUMBERS: Final = frozenset({"int32", "int64", "number"})


def misfits(value: Any, kind: Type, path: str = "") -> list[str]:
    """What is wrong, each with its path, in upstream's words."""
    if value is None:
        return []
    if kind.kind == "leaf":
        return _leaf(value, kind, path)
    if kind.kind == "list":
        return _items(value, kind, path)
    if not isinstance(value, dict):
        return [f"{path or '.'}: expected map, got {_shown(value)}"]
    found: list[str] = []
    for name, item in value.items():
        part = kind.part(name)
        at = f"{path}.{name}"
        found += (
            [f"{at}: field not declared in schema"] if part is None else misfits(item, part, at)
        )
    return found


def _items(value: Any, kind: Type, path: str) -> list[str]:
    if not isinstance(value, list):
        return [f"{path}: expected list, got {_shown(value)}"]
    found: list[str] = []
    seen: set[str] = set()
    for index, item in enumerate(value):
        if kind.keys and not isinstance(item, dict):
            found.append(
                f"{path}: element {index}: associative list with keys may not have non-map elements"
            )
            continue
        if kind.keys and not any(item.get(name) is not None for name in kind.keys):
            names = ", ".join(f'"{name}"' for name in kind.keys)
            found.append(
                f"{path}: element {index}: associative list with keys has an element that omits key "
                f"field {names} (and doesn't have default value)"
            )
            continue
        if not kind.keys and not isinstance(item, str | int | float):
            found.append(f"{path}: element {index}: sets can't hold {_shown(item)}")
            continue
        key = element_key(item, kind.keys)
        at = path + next(paths({key: {}}))
        if key in seen:
            found.append(f"{path}: duplicate entries for key {at.removeprefix(path)}")
        seen.add(key)
        found += misfits(item, kind.item(), at)
    return found


def _leaf(value: Any, kind: Type, path: str) -> list[str]:
    field = kind.field
    assert field is not None, "a leaf is a field's value"
    if field.kind == "scalar":
        return _scalar(value, field.scalar, path)
    if field.kind == "list":
        if not isinstance(value, list):
            return [f"{path}: expected list, got {_shown(value)}"]
        assert field.element is not None, "a list has elements"
        inner = type_of(field.element)
        return [
            one
            for index, item in enumerate(value)
            for one in misfits(item, inner, f"{path}[{index}]")
        ]
    if not isinstance(value, dict):
        return [f"{path}: expected map, got {_shown(value)}"]
    inside = (
        Type("struct", shape=field.child)
        if field.kind == "struct"
        else Type("map", element=field.element)
    )
    return misfits(value, inside, path)


def _scalar(value: Any, scalar: str, path: str) -> list[str]:
    if scalar in _STRINGS and not isinstance(value, str):
        return [f"{path}: expected string, got {_shown(value)}"]
    if scalar == "boolean" and not isinstance(value, bool):
        return [f"{path}: expected boolean, got {_shown(value)}"]
    if scalar in _NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float)):
        return [f"{path}: expected numeric (int or float), got {_shown(value)}"]
    return []


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "map" if isinstance(value, dict) else "list"
    if isinstance(value, str):
        return "string"
    return str(value).lower()
