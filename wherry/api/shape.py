"""The shape of an API type: its fields as the wire knows them, read off its model once.

Whatever walks decoded JSON trees by type (strict decoding, strategic merge, managedFields, OpenAPI)
walks a `Shape` beside the tree, so that none of them has to understand pydantic. A shape says what a
field *is*; it decides nothing about values.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from wherry.api.model import NO_TRAITS, Format, Model, Traits, TypedModel, traits_of

Kind = Literal["scalar", "list", "map", "struct"]

# What a Python type is called on the wire when no `Format` says otherwise.
_SCALARS: Final[Mapping[Any, str]] = {
    str: "string",
    bool: "boolean",
    int: "int64",
    float: "number",
    bytes: "byte",
    datetime: "time",
    Any: "object",
}


@dataclass(frozen=True, slots=True, eq=False)
class FieldShape:
    """One field, or one element of a list or map (then without names and traits).

    scalar:  string, boolean, int32, int64, number, quantity, int-or-string, time, micro-time, byte,
             object (any JSON object, not looked into); "" unless `kind` is scalar
    element: what a list or map holds
    child:   the struct's shape; of a list or map of structs, the elements' shape
    pointer: absent and zero are different things
    """

    wire: str
    python: str
    kind: Kind
    scalar: str = ""
    element: FieldShape | None = None
    child: Shape | None = None
    pointer: bool = False
    traits: Traits = NO_TRAITS


class Shape:
    """A struct type. `fields` is worked out when first asked for, so types may contain themselves."""

    def __init__(self, model: type[Model]) -> None:
        self.model = model
        self.name = model.__name__

    def __repr__(self) -> str:
        return f"Shape({self.name})"

    @property
    def atomic(self) -> bool:
        """Whether server-side apply owns it whole."""
        return self.model.ATOMIC

    @cached_property
    def fields(self) -> Mapping[str, FieldShape]:
        """The fields by wire name, in the order the wire writes them."""
        found: dict[str, FieldShape] = {}
        if issubclass(self.model, TypedModel):
            found["kind"] = FieldShape("kind", "kind", "scalar", "string")
            found["apiVersion"] = FieldShape("apiVersion", "api_version", "scalar", "string")
        for python, info in self.model.model_fields.items():
            wire = info.alias or python
            named = next((one.name for one in info.metadata if isinstance(one, Format)), "")
            found[wire] = _field(
                info.annotation, named, wire, python, traits_of(self.model, python)
            )
        return types.MappingProxyType(found)


def _field(
    annotation: Any, named: str, wire: str = "", python: str = "", traits: Traits = NO_TRAITS
) -> FieldShape:
    """The shape of an annotation; `named` is what a Format beside it said."""
    annotation, named, pointer = _unwrap(annotation, named)
    if named:
        return FieldShape(wire, python, "scalar", named, pointer=pointer, traits=traits)
    origin = get_origin(annotation)
    if origin in (list, dict):
        kind: Kind = "list" if origin is list else "map"
        element = _field(get_args(annotation)[-1], "")
        if kind == "map" and element.scalar == "object":  # dict[str, Any]: free-form JSON
            return FieldShape(wire, python, "scalar", "object", pointer=pointer, traits=traits)
        return FieldShape(
            wire, python, kind, element=element, child=element.child, pointer=pointer, traits=traits
        )
    if isinstance(annotation, type) and issubclass(annotation, Model):
        child = shape_of(annotation)
        return FieldShape(wire, python, "struct", child=child, pointer=pointer, traits=traits)
    if annotation not in _SCALARS:
        raise TypeError(f"{python or 'element'}: {annotation!r} has no wire type")
    return FieldShape(wire, python, "scalar", _SCALARS[annotation], pointer=pointer, traits=traits)


def _unwrap(annotation: Any, named: str) -> tuple[Any, str, bool]:
    """Strip `Annotated` and `| None`: the bare type, its Format's name, whether None was allowed."""
    pointer = False
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation, *metadata = get_args(annotation)
            named = named or next((m.name for m in metadata if isinstance(m, Format)), "")
        elif origin in (Union, types.UnionType) and type(None) in get_args(annotation):
            rest = [one for one in get_args(annotation) if one is not type(None)]
            annotation, pointer = Union[tuple(rest)], True  # noqa: UP007 # built at run time
        elif named or not isinstance(annotation, str):
            return annotation, named, pointer
        else:
            raise TypeError(f"forward reference {annotation!r} was not resolved")


@cache  # bounded by the number of model classes
def shape_of(model: type[Model]) -> Shape:
    """The shape of a model class."""
    return Shape(model)
