"""Schemas of OpenAPI v3, read off the models' shapes.

Named, referenced and annotated as upstream's, because clients act on them: kubectl merges lists by
`x-kubernetes-patch-merge-key`, explains by the references, and finds kinds by
`x-kubernetes-group-version-kind`. Source: k8s.io/kube-openapi/pkg/builder3.
"""

from __future__ import annotations

from typing import Any

from apiserver.discovery.words import Words
from wherry.api.model import GroupVersionKind, Model, TypedModel
from wherry.api.scheme import Resource
from wherry.api.shape import FieldShape, Shape

API = "io.k8s.api"
META = "io.k8s.apimachinery.pkg.apis.meta.v1"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"

Tree = dict[str, Any]

_PLAIN: dict[str, Tree] = {
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "number": {"type": "number", "format": "double"},
    "byte": {"type": "string", "format": "byte"},
    "object": {"type": "object"},
}
_NAMED: dict[str, tuple[str, Tree]] = {
    "time": (f"{META}.Time", {"type": "string", "format": "date-time"}),
    "micro-time": (f"{META}.MicroTime", {"type": "string", "format": "date-time"}),
    "quantity": (QUANTITY, {"oneOf": [{"type": "string"}, {"type": "number"}]}),
    "int-or-string": (
        INT_OR_STRING,
        {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
    ),
}
_ZERO = {"string": "", "boolean": False, "int32": 0, "int64": 0, "number": 0}
_FIELDS_V1 = f"{META}.FieldsV1"
_SELF_DESCRIBED = {
    "apiVersion": (
        "The version of the schema of this object. Servers read it; clients may leave it out "
        "where the address says it."
    ),
    "kind": "What this object is. Servers may infer it from the address; it never changes.",
}


def schema_name(model: type[Model]) -> str:
    """The name a model's schema has upstream."""
    package = model.__module__.split(".")[2]  # wherry.api.<group>_<version>.<module>
    group, _, version = package.rpartition("_")
    root = f"{META}" if group == "meta" else f"{API}.{group}.{version}"
    return f"{root}.{model.__name__}"


def list_name(resource: Resource) -> str:
    return f"{schema_name(resource.model)}List"


class Schemas:
    """The schemas of one document: those asked for, and all they refer to."""

    def __init__(self) -> None:
        self.found: dict[str, Tree] = {}
        self._kinds: dict[str, list[GroupVersionKind]] = {}
        self._words = Words()

    def reference(self, shape: Shape) -> str:
        """The `$ref` of a model's schema, which is added when it is new."""
        name = schema_name(shape.model)
        if name not in self.found:
            self.found[name] = {}  # before its fields: types may contain themselves
            self.found[name] = self._struct(shape)
        return f"#/components/schemas/{name}"

    def add_kind(self, name: str, gvk: GroupVersionKind) -> None:
        """Say that a schema stands for this kind."""
        kinds = self.found[name].setdefault("x-kubernetes-group-version-kind", [])
        if gvk._asdict() not in kinds:
            kinds.append(gvk._asdict())

    def list_reference(self, resource: Resource, item: Shape, meta: Shape) -> str:
        """The `$ref` of a resource's list."""
        name = list_name(resource)
        if name not in self.found:
            items = {"allOf": [{"$ref": self.reference(item)}], "default": {}}
            named = f"List of {resource.plural}"
            self.found[name] = {
                "description": f"{resource.kind}List is a list of {resource.kind} objects.",
                "type": "object",
                "required": ["items"],
                "properties": {
                    "apiVersion": self._self_described("apiVersion"),
                    "items": {"type": "array", "description": named, "items": items},
                    "kind": self._self_described("kind"),
                    "metadata": {"allOf": [{"$ref": self.reference(meta)}], "default": {}},
                },
            }
            self.add_kind(
                name, GroupVersionKind(resource.group, resource.version, resource.list_kind)
            )
        return f"#/components/schemas/{name}"

    def _self_described(self, field: str) -> Tree:
        return {"type": "string", "description": _SELF_DESCRIBED[field]}

    def _struct(self, shape: Shape) -> Tree:
        schema: Tree = {"type": "object"}
        if words := self._words.of(shape.model):
            schema["description"] = words
        required = sorted(f.wire for f in shape.fields.values() if f.traits.required)
        if required:
            schema["required"] = required
        typed = issubclass(shape.model, TypedModel)
        properties = {}
        for wire in sorted(shape.fields):
            if typed and wire in _SELF_DESCRIBED:
                properties[wire] = self._self_described(wire)
            else:
                properties[wire] = self._property(shape, shape.fields[wire])
        if properties:
            schema["properties"] = properties
        return schema

    def _property(self, owner: Shape, field: FieldShape) -> Tree:
        schema = self._value(field)
        if words := self._words.of_field(owner.model, field.wire):
            schema["description"] = words
        traits = field.traits
        if traits.enum:
            schema["enum"] = list(traits.enum)
        if traits.required and not field.pointer and field.scalar in _ZERO:
            schema["default"] = _ZERO[field.scalar]
        if traits.list_type:
            schema["x-kubernetes-list-type"] = traits.list_type
        if traits.keys:
            schema["x-kubernetes-list-map-keys"] = list(traits.keys)
        if traits.map_type:
            schema["x-kubernetes-map-type"] = traits.map_type
        strategies = ["merge"] if traits.merge_key is not None else []
        strategies += ["retainKeys"] if traits.retain_keys else []
        if strategies:
            schema["x-kubernetes-patch-strategy"] = ",".join(strategies)
        if traits.merge_key:
            schema["x-kubernetes-patch-merge-key"] = traits.merge_key
        return schema

    def _value(self, field: FieldShape) -> Tree:
        if field.kind == "list":
            assert field.element is not None, "a list says what it holds"
            return {"type": "array", "items": self._element(field.element)}
        if field.kind == "map":
            assert field.element is not None, "a map says what it holds"
            return {"type": "object", "additionalProperties": self._element(field.element)}
        if field.kind == "struct":
            assert field.child is not None, "a struct has a shape"
            # A struct that is no pointer is always there, so its default is its empty self.
            default: Tree = {} if field.pointer else {"default": {}}
            return {"allOf": [{"$ref": self.reference(field.child)}], **default}
        if field.wire == "fieldsV1":
            return self._named(_FIELDS_V1, {"type": "object"})
        if field.scalar in _NAMED:
            return self._named(*_NAMED[field.scalar])
        return dict(_PLAIN[field.scalar])

    def _element(self, element: FieldShape) -> Tree:
        schema = self._value(element)
        if element.scalar in _ZERO:
            schema["default"] = _ZERO[element.scalar]
        return schema

    def _named(self, name: str, schema: Tree) -> Tree:
        self.found.setdefault(name, dict(schema))
        return {"allOf": [{"$ref": f"#/components/schemas/{name}"}]}
