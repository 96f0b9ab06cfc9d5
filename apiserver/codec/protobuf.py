"""Protobuf bodies: what Go's typed clients send (`kubectl create ...`), read into a JSON tree.

The envelope is `k8s\\0` and a runtime.Unknown: the type's name and the object's bytes. Messages are
read along the `Shape` of the model, whose traits know the field numbers. Only reading: answers are
JSON, which every client that sends protobuf also accepts.

Source: k8s.io/apimachinery/pkg/runtime/serializer/protobuf, protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

import orjson

from wherry.api.model import TypedModel, format_micro_time, format_time
from wherry.api.shape import FieldShape, Shape, shape_of

MAGIC: Final = b"k8s\x00"
DEPTH_MAX: Final = 100
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Wire types.
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_VARINT_BYTES_MAX: Final = 10

Tree = dict[str, Any]
Numbers = Mapping[int, "FieldShape | Numbers"]  # an inlined struct has a table of its own


class Malformed(ValueError):
    """The bytes are no protobuf message of the expected type."""


def read_body(model: type[TypedModel], body: bytes) -> Tree:
    """The tree of an enveloped object, with the kind and apiVersion its envelope names."""
    if not body.startswith(MAGIC):
        raise Malformed("the body does not begin with the protobuf envelope's prefix")
    head: Tree = {}
    raw = b""
    for number, value in _fields(body[len(MAGIC) :]):
        if number == 1:  # runtime.TypeMeta
            names = {1: "apiVersion", 2: "kind"}
            head |= {names[n]: _text(v) for n, v in _fields(_bytes(value)) if n in names and v}
        elif number == 2:
            raw = _bytes(value)
    return {**_message(shape_of(model), raw, 0), **head}


def _message(shape: Shape, data: bytes, depth: int) -> Tree:
    if depth > DEPTH_MAX:
        raise Malformed(f"nested deeper than {DEPTH_MAX} levels")
    tree: Tree = {}
    _into(tree, _numbers(shape), data, depth)
    return tree


def _into(tree: Tree, numbers: Numbers, data: bytes, depth: int) -> None:
    for number, value in _fields(data):
        field = numbers.get(number)
        if field is None:
            continue  # a field newer than ours: dropped like an unknown one in JSON
        if isinstance(field, FieldShape):
            _set(tree, field, value, depth)
        else:
            _into(tree, field, _bytes(value), depth + 1)


def _set(tree: Tree, field: FieldShape, value: int | bytes, depth: int) -> None:
    if field.kind == "list":
        assert field.element is not None, "a list has elements"
        items = tree.setdefault(field.wire, [])
        if isinstance(value, bytes) and field.element.scalar in ("int32", "int64"):
            items.extend(_signed(one) for one in _packed(value))
        else:
            items.append(_value(field.element, value, depth))
    elif field.kind == "map":
        assert field.element is not None, "a map has values"
        entry = dict(_fields(_bytes(value)))
        key = _text(entry.get(1, b""))
        tree.setdefault(field.wire, {})[key] = _entry(field.element, entry.get(2, b""), depth)
    else:
        tree[field.wire] = _value(field, value, depth)


def _entry(element: FieldShape, value: int | bytes, depth: int) -> Any:
    """A map's value. A list cannot stand there, so upstream wraps it in a message of one field."""
    if element.kind != "list":
        return _value(element, value, depth)
    assert element.element is not None, "a list has elements"
    return [_value(element.element, one, depth) for _, one in _fields(_bytes(value))]


def _value(field: FieldShape, value: int | bytes, depth: int) -> Any:
    if field.kind == "struct":
        assert field.child is not None, "a struct has a shape"
        return _message(field.child, _bytes(value), depth + 1)
    return _SCALARS[field.scalar](value)


@cache  # bounded by the number of model classes
def _numbers(shape: Shape) -> Numbers:
    """The fields of a message by number. A field without one follows the field before it."""
    enveloped = issubclass(shape.model, TypedModel)
    table: dict[int, Any] = {}
    last = 0
    for field in shape.fields.values():
        if enveloped and field.wire in ("kind", "apiVersion"):
            continue  # they stand in the envelope
        *outer, number = field.traits.number.split(".") if field.traits.number else [str(last + 1)]
        place = table
        for inlined in outer:
            place = place.setdefault(int(inlined), {})
        place[int(number)] = field
        last = int(number)
    return table


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message as they come: (number, varint or bytes)."""
    offset, end = 0, len(data)
    while offset < end:
        tag, offset = _varint(data, offset)
        kind = tag & 7
        if kind == _VARINT:
            value: int | bytes
            value, offset = _varint(data, offset)
        else:
            if kind == _BYTES:
                length, offset = _varint(data, offset)
            elif kind in (_FIXED64, _FIXED32):
                length = 8 if kind == _FIXED64 else 4
            else:
                raise Malformed(f"wire type {kind} at byte {offset}")
            if offset + length > end:
                raise Malformed("unexpected end of a protobuf message")
            value = data[offset : offset + length]
            offset += length
        yield tag >> 3, value


def _varint(data: bytes, offset: int) -> tuple[int, int]:
    result = 0
    for shift in range(_VARINT_BYTES_MAX):
        if offset >= len(data):
            raise Malformed("unexpected end of a protobuf message")
        byte = data[offset]
        offset += 1
        result |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return result, offset
    raise Malformed("a varint is too long")


def _packed(data: bytes) -> Iterator[int]:
    offset = 0
    while offset < len(data):
        value, offset = _varint(data, offset)
        yield value


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise Malformed("a number stands where a message or text should")
    return value


def _text(value: int | bytes) -> str:
    try:
        return _bytes(value).decode()
    except UnicodeDecodeError as error:
        raise Malformed("a text is no UTF-8") from error


def _signed(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise Malformed("a text stands where a number should")
    return value - (1 << 64) if value >= 1 << 63 else value


def _moment(value: int | bytes) -> datetime | None:
    parts = dict(_fields(_bytes(value)))
    if not parts:
        return None
    seconds, nanoseconds = _signed(parts.get(1, 0)), _signed(parts.get(2, 0))
    try:
        return _EPOCH + timedelta(seconds=seconds, microseconds=nanoseconds // 1000)
    except OverflowError as error:
        raise Malformed(f"{seconds} s is no time") from error


def _time(value: int | bytes) -> str | None:
    moment = _moment(value)
    return None if moment is None else format_time(moment)


def _micro_time(value: int | bytes) -> str | None:
    moment = _moment(value)
    return None if moment is None else format_micro_time(moment)


def _int_or_string(value: int | bytes) -> int | str:
    parts = dict(_fields(_bytes(value)))
    return _text(parts.get(3, b"")) if parts.get(1) else _signed(parts.get(2, 0))


def _quantity(value: int | bytes) -> str:
    return _text(dict(_fields(_bytes(value))).get(1, b""))


def _raw(value: int | bytes) -> Any:
    """RawExtension and FieldsV1 both carry JSON in their field 1."""
    data = _bytes(dict(_fields(_bytes(value))).get(1, b""))
    try:
        return orjson.loads(data) if data else None
    except orjson.JSONDecodeError as error:
        raise Malformed(f"an embedded object is no JSON: {error}") from error


def _double(value: int | bytes) -> float:
    return float(struct.unpack("<d", _bytes(value))[0])


_SCALARS: Final[Mapping[str, Callable[[int | bytes], Any]]] = {
    "string": _text,
    "boolean": bool,
    "int32": _signed,
    "int64": _signed,
    "number": _double,
    "byte": lambda value: base64.b64encode(_bytes(value)).decode(),
    "quantity": _quantity,
    "int-or-string": _int_or_string,
    "time": _time,
    "micro-time": _micro_time,
    "object": _raw,
}
