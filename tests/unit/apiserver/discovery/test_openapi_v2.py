from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apiserver.codec.protobuf import _fields
from apiserver.discovery import openapi, openapi_v2
from wherry.api.scheme import RESOURCES


def document() -> dict[str, Any]:
    parts: dict[str, list[Any]] = {}
    for resource in RESOURCES:
        parts.setdefault(resource.root, []).append(resource)
    return openapi_v2.document(
        (openapi.document(some, RESOURCES, "v1") for some in parts.values()), "v1"
    )


def walk(tree: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield key, value
            yield from walk(value)
    elif isinstance(tree, list):
        for one in tree:
            yield from walk(one)


def test_every_reference_is_defined_and_no_newer_word_is_left() -> None:
    tree = document()
    for key, value in walk(tree):
        if key == "$ref":
            assert value.removeprefix("#/definitions/") in tree["definitions"]
        assert key not in ("oneOf", "requestBody", "components", "content")


def test_kinds_and_merge_keys_survive() -> None:
    definitions = document()["definitions"]
    pod = definitions["io.k8s.api.core.v1.Pod"]
    assert pod["x-kubernetes-group-version-kind"] == [{"group": "", "version": "v1", "kind": "Pod"}]
    spec = definitions["io.k8s.api.core.v1.PodSpec"]["properties"]
    assert spec["containers"]["x-kubernetes-patch-merge-key"] == "name"
    assert spec["containers"]["items"] == {"$ref": "#/definitions/io.k8s.api.core.v1.Container"}
    quantity = definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"]
    assert quantity["type"] == "string"


def test_a_shared_type_stands_for_the_kinds_of_all_groups() -> None:
    def one(group: str) -> dict[str, Any]:
        kinds = [{"group": group, "version": "v1", "kind": "Status"}]
        schema = {"type": "object", "x-kubernetes-group-version-kind": kinds}
        return {"paths": {}, "components": {"schemas": {"Status": schema}}}

    found = openapi_v2.document([one(""), one("apps"), one("")], "v1")["definitions"]["Status"]
    kinds = found["x-kubernetes-group-version-kind"]
    assert [kind["group"] for kind in kinds] == ["", "apps"]


def test_an_operation_has_a_body_parameter_and_typed_ones() -> None:
    create = document()["paths"]["/api/v1/namespaces/{namespace}/pods"]["post"]
    (body,) = [one for one in create["parameters"] if one["in"] == "body"]
    assert body["schema"] == {"$ref": "#/definitions/io.k8s.api.core.v1.Pod"}
    assert all("type" in one for one in create["parameters"] if one["in"] != "body")


def test_the_protobuf_form_holds_every_definition() -> None:
    tree = document()
    fields = dict(_fields(openapi_v2.to_protobuf(tree)))
    assert fields[1] == b"2.0"
    names = [dict(_fields(entry))[1].decode() for _, entry in _fields(fields[9])]
    assert names == list(tree["definitions"])
    pod = next(e for _, e in _fields(fields[9]) if dict(_fields(e))[1] == b"io.k8s.api.core.v1.Pod")
    schema = list(_fields(dict(_fields(pod))[2]))
    properties = dict(schema)[25]
    assert [dict(_fields(one))[1] for _, one in _fields(properties)] == [
        b"apiVersion", b"kind", b"metadata", b"spec", b"status",
    ]  # fmt: skip
