"""Where and why a body is no object of its kind, in the words of Go's decoder.

The slow twin of `canonical.py`: walks the body in its own order beside the shape, keeps paths, and
reports the first wrong value (as encoding/json does) and every unknown or repeated field. It runs
only when the fast walk met trouble.

Upstream: encoding/json's UnmarshalTypeError, sigs.k8s.io/json's strict errors; for trees that a
strategic merge patch made, apimachinery's pkg/runtime/converter.go.
"""

from __future__ import annotations

import binascii
import re
from typing import Any, Final

from apiserver.codec.body import NotedDict, go_kind
from apiserver.codec.go_names import element_type, field_type, path_element
from apiserver.codec.scalars import SCALARS, Mismatch
from wherry.api.shape import FieldShape, Shape

# Strict errors beyond this many are not listed.
_STRICT_MAX: Final = 100


class Explanation:
    """What is wrong with a body: `error` is the first wrong value, `strict` what strictness minds.

    converted: the tree was no body, upstream's converter of trees reads it: it has words of its own
    """

    def __init__(self, shape: Shape, tree: Any, *, converted: bool = False) -> None:
        self.error = ""
        self._converted = converted
        self.strict: list[str] = []
        self._struct(shape, tree, "", "")

    def _struct(self, shape: Shape, value: dict[str, Any], go_path: str, path: str) -> None:
        repeated = value.repeated if isinstance(value, NotedDict) else frozenset()
        for name, item in value.items():
            here = f"{path}.{name}" if path else name
            field = shape.fields.get(name)
            if field is None:
                self._note("unknown", here)
                continue
            if name in repeated:
                self._note("duplicate", here)
            element = path_element(shape, name)
            self._field(shape, field, item, f"{go_path}.{element}" if go_path else element, here)

    def _note(self, kind: str, path: str) -> None:
        if len(self.strict) < _STRICT_MAX:
            self.strict.append(f'{kind} field "{path}"')

    def _field(self, owner: Shape, field: FieldShape, value: Any, go_path: str, path: str) -> None:
        """`field` belongs to `owner`; `go_path` and `path` lead to it."""
        if value is None:
            return
        wanted = {"list": list, "map": dict, "struct": dict}.get(field.kind)
        if wanted is None:
            self._scalar(owner, field.scalar, value, go_path, field_type(owner, field))
        elif not isinstance(value, wanted):
            self._mismatch(owner, value, go_path, field_type(owner, field), field.kind)
        elif field.kind == "struct":
            assert field.child is not None
            self._struct(field.child, value, go_path, path)
        elif field.kind == "list":
            for index, item in enumerate(value):
                self._element(owner, field, item, go_path, f"{path}[{index}]")
        else:
            for key, item in value.items():
                if isinstance(value, NotedDict) and key in value.repeated:
                    self._note("duplicate", f"{path}.{key}")
                self._element(owner, field, item, go_path, f"{path}.{key}")

    def _element(
        self, owner: Shape, field: FieldShape, value: Any, go_path: str, path: str
    ) -> None:
        """One item of a list or map. Go's path does not say which one it is."""
        element = field.element
        assert element is not None
        if value is None:
            return
        go_type = element_type(owner, field, element)
        if element.kind == "scalar":
            self._scalar(owner, element.scalar, value, go_path, go_type)
        elif element.kind == "struct":
            assert element.child is not None
            if isinstance(value, dict):
                self._struct(element.child, value, go_path, path)
            else:
                self._mismatch(owner, value, go_path, go_type, element.kind)
        elif not isinstance(value, list if element.kind == "list" else dict):
            self._mismatch(owner, value, go_path, go_type, element.kind)
        else:
            inner = value if isinstance(value, list) else list(value.values())
            for item in inner:
                self._element(owner, element, item, go_path, path)

    def _scalar(self, owner: Shape, scalar: str, value: Any, go_path: str, go_type: str) -> None:
        convert, _ = SCALARS[scalar]
        try:
            convert(value)
        except Mismatch:
            self._mismatch(owner, value, go_path, go_type, scalar)
        except binascii.Error:
            self._fail(f"illegal base64 data at input byte {illegal_base64_at(value)}")
        except ValueError as error:
            is_time = scalar in ("time", "micro-time")
            self._fail(bad_time(value, scalar) if is_time else str(error))

    def _mismatch(self, owner: Shape, value: Any, go_path: str, go_type: str, wanted: str) -> None:
        """`wanted` is the kind of the field, or its scalar's name."""
        if self._converted and wanted in _CONVERTED:
            self._fail(_inconvertible(value, go_type, _CONVERTED[wanted]))
            return
        got = go_kind(value)
        if got == "number" and go_type in ("int32", "int64"):
            got = f"number {value}"
        self._fail(
            f"json: cannot unmarshal {got} into Go struct field {owner.name}.{go_path} of type {go_type}"
        )

    def _fail(self, words: str) -> None:
        self.error = self.error or words


# What the converter itself reads → Go's kind of it; the rest has decoders of its own.
_CONVERTED: Final = {
    "struct": "struct",
    "map": "map",
    "list": "slice",
    "byte": "slice",
    "string": "string",
    "boolean": "bool",
    "int32": "int32",
    "int64": "int64",
    "number": "float64",
}
# Kinds in a tree that Go could turn into another kind, but JSON may not.
_NUMBERS: Final = {"int64": ("string",), "float64": ("int32", "int64")}


def _inconvertible(value: Any, go_type: str, kind: str) -> str:
    """Why a tree's value does not become a `go_type`, which is of that kind."""
    got = _tree_kind(value)
    if kind == "struct":
        return f"cannot restore struct from: {got}"
    if kind in ("map", "slice"):
        return f"cannot restore {kind} from {got}"
    if kind in _NUMBERS.get(got, ()):
        return f"cannot convert {got} to {go_type}"
    return f"unrecognized type: {kind}"


def _tree_kind(value: Any) -> str:
    """Go's kind of a value in a decoded tree."""
    if isinstance(value, int) and not isinstance(value, bool):
        return "int64"
    kind = go_kind(value)
    return {"object": "map", "array": "slice", "number": "float64"}.get(kind, kind)


_BASE64 = re.compile(r"[A-Za-z0-9+/\r\n]*")


def illegal_base64_at(text: str) -> int:
    """The offset Go's base64 decoder complains about."""
    match = _BASE64.match(text)
    end = match.end() if match else 0
    rest = text[end:]
    data = len(text[:end].replace("\n", "").replace("\r", ""))
    if not rest:  # cut short: Go points behind the last whole quantum
        return end - data % 4 if data % 4 else end
    padding = len(rest) - len(rest.lstrip("="))
    if rest[0] != "=" or data % 4 < 2:
        return end
    return end + min(padding, 4 - data % 4)


_TIME_FORMATS: Final = {
    "time": "2006-01-02T15:04:05Z07:00",
    "micro-time": "2006-01-02T15:04:05.000000Z07:00",
}
_TIME_PARTS: Final = (
    (r"\d{4}", "2006"), ("-", "-"), (r"(0[1-9]|1[0-2])", "01"), ("-", "-"), (r"\d\d", "02"),
    ("T", "T"), (r"([01]\d|2[0-3])", "15"), (":", ":"), (r"[0-5]\d", "04"), (":", ":"),
    (r"[0-5]\d", "05"), (r"(\.\d+)?", ".000000"), (r"(Z|[+-]\d\d:\d\d)", "Z07:00"),
)  # fmt: skip


def bad_time(text: str, scalar: str) -> str:
    """Go's time.ParseError for a text that is no time: names the first part that can't be read."""
    layout = _TIME_FORMATS[scalar]
    head = f'parsing time "{text}"'
    at = 0
    for pattern, part in _TIME_PARTS:
        match = re.compile(pattern).match(text, at)
        if match is None:
            return f'{head} as "{layout}": cannot parse "{text[at:]}" as "{part}"'
        at = match.end()
    return f'{head}: extra text: "{text[at:]}"' if text[at:] else f"{head}: day out of range"
