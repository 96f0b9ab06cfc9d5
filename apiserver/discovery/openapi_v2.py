"""OpenAPI v2, for clients that still ask for it: `kubectl apply` checks a v1 List by it.

Made from the v3 documents, whose schemas say the same in newer words: references move, `allOf` around
one reference goes, `oneOf` becomes the looser type that upstream writes. As protobuf (kubectl asks for
nothing else) only the definitions are written: no known reader of that form looks at paths.

Source: k8s.io/kube-openapi/pkg/builder, github.com/google/gnostic/openapiv2/OpenAPIv2.proto.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

PROTOBUF: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

Tree = dict[str, Any]

_MEDIA: Final = ["application/json", "application/yaml"]
_PATCHES: Final = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
]
_VERBS: Final = ("get", "put", "post", "delete", "patch")


def document(documents: Iterable[Mapping[str, Any]], version: str) -> Tree:
    """One v2 document of all v3 documents."""
    definitions: Tree = {}
    paths: Tree = {}
    for one in documents:
        for name, schema in one["components"]["schemas"].items():
            definitions[name] = _merge(definitions.get(name), _schema(schema))
        for path, item in one["paths"].items():
            paths[path] = _path(item)
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": version},
        "paths": dict(sorted(paths.items())),
        "definitions": dict(sorted(definitions.items())),
        "securityDefinitions": {
            "BearerToken": {
                "description": "Bearer Token authentication",
                "type": "apiKey",
                "name": "authorization",
                "in": "header",
            }
        },
        "security": [{"BearerToken": []}],
    }


def _merge(old: Tree | None, new: Tree) -> Tree:
    """A type that several groups use stands for the kinds of all of them."""
    key = "x-kubernetes-group-version-kind"
    if old is None or key not in old:
        return new
    kinds = old[key] + [kind for kind in new.get(key, ()) if kind not in old[key]]
    return {**new, key: kinds}


def _schema(schema: Mapping[str, Any]) -> Tree:
    found: Tree = {}
    for key, value in schema.items():
        if key == "allOf" and len(value) == 1:
            found |= _schema(value[0])
        elif key == "$ref":
            found["$ref"] = value.replace("#/components/schemas/", "#/definitions/")
        elif key == "oneOf":
            found["type"] = "string"
        elif key == "properties":
            found[key] = {name: _schema(one) for name, one in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            found[key] = _schema(value)
        elif key not in ("default", "nullable"):
            found[key] = value
    return found


def _path(item: Mapping[str, Any]) -> Tree:
    found: Tree = {verb: _operation(item[verb], verb) for verb in _VERBS if verb in item}
    if "parameters" in item:
        found["parameters"] = [_parameter(one) for one in item["parameters"]]
    return found


def _operation(operation: Mapping[str, Any], verb: str) -> Tree:
    kept = ("description", "operationId", "tags", "deprecated")
    found: Tree = {key: operation[key] for key in kept if key in operation}
    found |= {key: value for key, value in operation.items() if key.startswith("x-")}
    parameters = [_parameter(one) for one in operation.get("parameters", ())]
    if body := operation.get("requestBody"):
        schema = next(iter(body["content"].values())).get("schema", {})
        required = bool(body.get("required", verb != "delete"))
        parameters.append(
            {"name": "body", "in": "body", "required": required, "schema": _schema(schema)}
        )
    if parameters:
        found["parameters"] = parameters
    found["consumes"] = _PATCHES if verb == "patch" else ["*/*"]
    found["produces"] = _MEDIA
    found["responses"] = {code: _response(one) for code, one in operation["responses"].items()}
    return found


def _parameter(parameter: Mapping[str, Any]) -> Tree:
    """In v2 a parameter's type stands beside its name."""
    rest = {key: value for key, value in parameter.items() if key != "schema"}
    return {**rest, **_schema(parameter.get("schema", {"type": "string"}))}


def _response(response: Mapping[str, Any]) -> Tree:
    found: Tree = {"description": response.get("description", "OK")}
    if content := response.get("content"):
        found["schema"] = _schema(next(iter(content.values())).get("schema", {}))
    return found


def to_protobuf(tree: Mapping[str, Any]) -> bytes:
    """The document as gnostic's openapi.v2.Document, without paths."""
    info = _text(1, tree["info"]["title"]) + _text(2, tree["info"]["version"])
    definitions = b"".join(
        _named(1, name, _write_schema(schema)) for name, schema in tree["definitions"].items()
    )
    return (
        _text(1, tree["swagger"]) + _message(2, info) + _message(8, b"") + _message(9, definitions)
    )


def _write_schema(schema: Mapping[str, Any]) -> bytes:
    """A Schema message; the numbers are those of OpenAPIv2.proto."""
    parts = [
        _text(1, schema["$ref"]) if "$ref" in schema else b"",
        _text(2, schema["format"]) if "format" in schema else b"",
        _text(4, schema["description"]) if "description" in schema else b"",
        *(_text(19, one) for one in schema.get("required", ())),
        *(_message(20, _any(one)) for one in schema.get("enum", ())),
    ]
    if isinstance(more := schema.get("additionalProperties"), dict):
        parts.append(_message(21, _message(1, _write_schema(more))))
    if "type" in schema:
        parts.append(_message(22, _text(1, schema["type"])))
    if "items" in schema:
        parts.append(_message(23, _message(1, _write_schema(schema["items"]))))
    if "properties" in schema:
        fields = (_named(1, n, _write_schema(s)) for n, s in schema["properties"].items())
        parts.append(_message(25, b"".join(fields)))
    parts += [_named(31, n, _any(v)) for n, v in schema.items() if n.startswith("x-")]
    return b"".join(parts)


def _any(value: Any) -> bytes:
    """An Any message: the value as YAML, which JSON is."""
    return _text(2, orjson.dumps(value).decode())


def _named(number: int, name: str, value: bytes) -> bytes:
    """One entry of a map that keeps its order."""
    return _message(number, _text(1, name) + _message(2, value))


def _text(number: int, text: str) -> bytes:
    return _message(number, text.encode())


def _message(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
