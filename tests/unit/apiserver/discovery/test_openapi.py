"""OpenAPI documents: sound in themselves, and upstream's where clients look."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from apiserver.discovery import openapi
from apiserver.discovery.openapi_service import OpenApi
from wherry.api.scheme import RESOURCES

UPSTREAM = Path(__file__).parents[5] / "shared" / "upstream" / "fields.json"
POD = "io.k8s.api.core.v1.Pod"


@pytest.fixture(scope="module")
def core() -> dict[str, Any]:
    return openapi.document([r for r in RESOURCES if not r.group], RESOURCES, "v1")


@pytest.fixture(scope="module")
def apps() -> dict[str, Any]:
    return openapi.document([r for r in RESOURCES if r.group == "apps"], RESOURCES, "v1")


def references(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key == "$ref":
                yield value
            yield from references(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from references(value)


def test_every_reference_leads_somewhere(core: dict[str, Any], apps: dict[str, Any]) -> None:
    for document in (core, apps):
        known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
        assert set(references(document)) <= known


def test_merge_keys(core: dict[str, Any]) -> None:
    spec = core["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"]
    containers = spec["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-patch-strategy"] == "merge"
    assert containers["x-kubernetes-list-type"] == "map"
    assert containers["x-kubernetes-list-map-keys"] == ["name"]
    assert spec["volumes"]["x-kubernetes-patch-strategy"] == "merge,retainKeys"
    item = containers["items"]
    assert item == {
        "allOf": [{"$ref": "#/components/schemas/io.k8s.api.core.v1.Container"}], "default": {},
    }  # fmt: skip


def test_kinds_are_found(core: dict[str, Any]) -> None:
    schemas = core["components"]["schemas"]
    kind = [{"group": "", "version": "v1", "kind": "Pod"}]
    assert schemas[POD]["x-kubernetes-group-version-kind"] == kind
    assert schemas[f"{POD}List"]["required"] == ["items"]


def test_patch_says_it_knows_dry_run_and_field_validation(core: dict[str, Any]) -> None:
    patch = core["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"]
    names = {parameter["name"] for parameter in patch["parameters"]}
    assert {"dryRun", "fieldManager", "fieldValidation", "force"} <= names
    assert patch["operationId"] == "patchCoreV1NamespacedPod"
    assert patch["x-kubernetes-group-version-kind"]["kind"] == "Pod"


@pytest.mark.parametrize(
    ("path", "method", "want"),
    [
        ("/api/v1/pods", "get", "listCoreV1PodForAllNamespaces"),
        ("/api/v1/namespaces/{namespace}/pods", "get", "listCoreV1NamespacedPod"),
        ("/api/v1/namespaces/{namespace}/pods", "delete", "deleteCoreV1CollectionNamespacedPod"),
        ("/api/v1/nodes/{name}/status", "put", "replaceCoreV1NodeStatus"),
        ("/api/v1/namespaces/{namespace}/pods/{name}/log", "get", "readCoreV1NamespacedPodLog"),
        ("/api/v1/namespaces", "post", "createCoreV1Namespace"),
    ],
)
def test_operation_ids(core: dict[str, Any], path: str, method: str, want: str) -> None:
    assert core["paths"][path][method]["operationId"] == want


@pytest.mark.skipif(not UPSTREAM.exists(), reason="upstream's facts are not here")
def test_schemas_are_upstreams(core: dict[str, Any], apps: dict[str, Any]) -> None:
    """Every property we show has upstream's name, requirement and list behaviour."""
    upstream = json.loads(UPSTREAM.read_text())
    wrong = []
    for document in (core, apps):
        for name, schema in document["components"]["schemas"].items():
            want = upstream.get(name)
            if want is None or "properties" not in schema:
                continue
            fields = want.get("fields", want)
            for wire, shown in schema["properties"].items():
                fact = fields.get(wire)
                if fact is None:
                    if wire not in ("kind", "apiVersion"):
                        wrong.append((name, wire, "unknown"))
                    continue
                pairs = (
                    ("list-type", shown.get("x-kubernetes-list-type")),
                    ("list-map-keys", shown.get("x-kubernetes-list-map-keys")),
                    ("patch-merge-key", shown.get("x-kubernetes-patch-merge-key")),
                    ("patch-strategy", shown.get("x-kubernetes-patch-strategy")),
                )
                wrong += [(name, wire, k, v) for k, v in pairs if fact.get(k) != v]
    assert wrong == []


async def test_served_compressed_with_hash_and_etag() -> None:
    service = OpenApi(RESOURCES, "v1")
    index = orjson.loads((await service.index("")).body)  # type: ignore[arg-type]
    where = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
    path, _, digest = where.removeprefix("/openapi/v3/").partition("?hash=")
    options = {"accept": "application/json", "accept_encoding": "", "if_none_match": ""}
    plain = await service.document(path, digest, **options)
    assert orjson.loads(plain.body)["openapi"] == "3.0.0"  # type: ignore[arg-type]
    assert plain.headers["Cache-Control"] == "public, immutable"
    packed = await service.document(path, "", **{**options, "accept_encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.body) < len(plain.body) / 4  # type: ignore[arg-type]
    known = await service.document(path, "", **{**options, "if_none_match": plain.headers["ETag"]})
    assert known.status == 304
    assert (await service.document("api/v9", "", **options)).status == 404
    moved = await service.document(path, "0" * 128, **options)
    assert (moved.status, moved.headers["Location"]) == (301, where)
