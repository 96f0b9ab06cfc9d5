"""The canonical form of a tree: what Go would write after reading it.

For every shape one converter is compiled, once, out of closures. It checks types, applies the zero
rule (omitted, kept, always present), writes quantities, times and base64 canonically, drops unknown
fields and puts fields in Go's order. It is on the path of every write, so it reports trouble only by
a `Mismatch` without words or by counting unknown fields; `explain.py` then says where and why.

Not here: defaults (registry), the words of errors.
Upstream: encoding/json as k8s.io/api's struct tags drive it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import orjson

from apiserver.codec.recall import Recall, key_of
from apiserver.codec.scalars import SCALARS, Mismatch
from wherry.api.model import Model, TypedModel
from wherry.api.shape import FieldShape, Shape, shape_of

# A converter takes a decoded value and the list that collects unknown fields; it answers with the
# canonical value, or OMIT when the wire leaves the field out.
Convert = Callable[[Any, list[str]], Any]
OMIT: Final[Any] = object()


def canonical(model: type[Model], tree: Any, unknown: list[str] | None = None) -> dict[str, Any]:
    """The canonical form of a model's tree, as a new tree. Raises Mismatch.

    `unknown` collects the names (not paths) of fields the model doesn't have.
    """
    found: dict[str, Any] = converter(shape_of(model))(tree, [] if unknown is None else unknown)
    return found


def _scalar_field(field: FieldShape) -> tuple[Convert, Any]:
    convert, zero = SCALARS[field.scalar]
    kept = field.traits.zero == "kept"
    absent = OMIT if not kept else (None if field.pointer else zero)

    def pointer(value: Any, unknown: list[str]) -> Any:
        return absent if value is None else convert(value)

    def plain(value: Any, unknown: list[str]) -> Any:
        return absent if value is None else convert(value) or absent

    def plain_string(value: Any, unknown: list[str]) -> Any:
        if value.__class__ is str:
            return value or absent
        if value is None:
            return absent
        raise Mismatch

    if field.pointer or kept:
        return pointer, absent
    return (plain_string if field.scalar == "string" else plain), absent


def _element(field: FieldShape) -> Convert:
    """A list's or map's element: never omitted, null is its zero."""
    if field.kind == "struct":
        assert field.child is not None
        return _lazily(field.child)
    if field.kind == "scalar":
        convert, zero = SCALARS[field.scalar]

        def scalar(value: Any, unknown: list[str]) -> Any:
            return zero if value is None else convert(value)

        return scalar
    inner, _ = _list_field(field) if field.kind == "list" else _map_field(field)

    def nested(value: Any, unknown: list[str]) -> Any:
        found = inner(value, unknown)
        return None if found is OMIT else found

    return nested


def _lazily(shape: Shape) -> Convert:
    """A converter looked up when first used, so that types may contain themselves."""
    found: Convert | None = None

    def convert(value: Any, unknown: list[str]) -> Any:
        nonlocal found
        if found is None:
            found = converter(shape)
        return found(value, unknown)

    return convert


def _list_field(field: FieldShape) -> tuple[Convert, Any]:
    assert field.element is not None
    element = _element(field.element)
    # Upstream stores protobuf, which does not tell an empty list or map from none.
    absent = None if field.traits.zero == "kept" else OMIT

    def strings(value: Any, unknown: list[str]) -> Any:
        if value.__class__ is not list:
            if value is None:
                return absent
            raise Mismatch
        for one in value:
            if one.__class__ is not str:
                return [element(one, unknown) for one in value]
        return list(value) or absent

    def items(value: Any, unknown: list[str]) -> Any:
        if value.__class__ is not list:
            if value is None:
                return absent
            raise Mismatch
        return [element(one, unknown) for one in value] or absent

    return (strings if field.element.scalar == "string" else items), absent


def _map_field(field: FieldShape) -> tuple[Convert, Any]:
    assert field.element is not None
    element = _element(field.element)
    absent = None if field.traits.zero == "kept" else OMIT

    def entries(value: Any, unknown: list[str]) -> Any:
        if not isinstance(value, dict):
            if value is None:
                return absent
            raise Mismatch
        if not value:
            return absent
        return {key: element(value[key], unknown) for key in sorted(value)}

    return entries, absent


def _struct_field(field: FieldShape) -> tuple[Convert, Any]:
    assert field.child is not None
    convert = _lazily(field.child)
    if not field.pointer:
        if field.traits.zero == "omitzero":
            return (lambda value, unknown: convert(value, unknown) or OMIT), OMIT
        return convert, convert  # made afresh where it is missing
    absent = None if field.traits.zero == "kept" else OMIT

    def pointer(value: Any, unknown: list[str]) -> Any:
        return absent if value is None else convert(value, unknown)

    return pointer, absent


_FIELDS: Final[dict[str, Callable[[FieldShape], tuple[Convert, Any]]]] = {
    "scalar": _scalar_field,
    "list": _list_field,
    "map": _map_field,
    "struct": _struct_field,
}


@cache  # bounded by the number of model classes
def converter(shape: Shape) -> Convert:
    """The compiled converter of a struct."""
    table: dict[str, tuple[int, Convert]] = {}
    constants: list[tuple[str, Any]] = []
    structs: list[tuple[str, Convert]] = []
    for index, (name, field) in enumerate(shape.fields.items()):
        convert, absent = _FIELDS[field.kind](field)
        if name == "spec" and issubclass(shape.model, TypedModel):
            convert = _recalled(convert)
        table[name] = (index, convert)
        if callable(absent):
            structs.append((name, absent))
        elif absent is not OMIT:
            constants.append((name, absent))
    return _struct(table, _completer(constants, structs))


def _recalled(convert: Convert) -> Convert:
    """The converter, asked once for each different part without unknown fields (see `recall`)."""
    known: Recall[bytes] = Recall()

    def recalled(value: Any, unknown: list[str]) -> Any:
        key = key_of(value)
        if key is not None and (found := known.get(key)) is not None:
            return orjson.loads(found)  # each caller changes its own
        before = len(unknown)
        made = convert(value, unknown)
        if key is not None and made is not OMIT and len(unknown) == before:
            known.put(key, orjson.dumps(made))
        return made

    return recalled


def _completer(
    constants: list[tuple[str, Any]], structs: list[tuple[str, Convert]]
) -> Callable[[dict[str, Any], list[str]], bool]:
    """A function that adds the fields which are written even when the input lacks them."""

    def complete(out: dict[str, Any], unknown: list[str]) -> bool:
        size = len(out)
        for name, absent in constants:
            if name not in out:
                out[name] = absent
        for name, make in structs:
            if name not in out:
                out[name] = make(None, unknown)
        return len(out) != size

    return complete


def _struct(
    table: dict[str, tuple[int, Convert]], complete: Callable[[dict[str, Any], list[str]], bool]
) -> Convert:
    order = {name: index for name, (index, _) in table.items()}
    get = table.get

    def convert(value: Any, unknown: list[str]) -> Any:
        out: dict[str, Any] = {}
        last, sorted_ = -1, True
        if value is None:
            value = out
        elif not isinstance(value, dict):
            raise Mismatch
        for name, item in value.items():
            entry = get(name)
            if entry is None:
                unknown.append(name)
                continue
            found = entry[1](item, unknown)
            if found is not OMIT:
                out[name] = found
                index = entry[0]
                if index < last:
                    sorted_ = False
                last = index
        if complete(out, unknown) or not sorted_:
            return {name: out[name] for name in sorted(out, key=order.__getitem__)}
        return out

    return convert
