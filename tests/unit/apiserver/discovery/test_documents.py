"""Discovery documents, held against upstream's."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from apiserver.discovery import documents
from apiserver.discovery.service import Discovery, chosen_form
from apiserver.request import RequestContext, RequestInfo, User
from tests.unit.recorded import RECORDED
from wherry.api.errors import ApiError
from wherry.api.scheme import RESOURCES

UPSTREAM = Path(__file__).parents[5] / "shared" / "upstream" / "resources.jsonl"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def context(accept: str = "") -> RequestContext:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    return RequestContext(RequestInfo("get", "/apis"), User("u"), {}, accept, "", "", now)


@pytest.fixture(scope="module")
def discovery() -> Discovery:
    return Discovery(RESOURCES, "10.0.0.1:6443")


@pytest.mark.skipif(not UPSTREAM.exists(), reason="upstream's facts are not here")
def test_rows_are_upstreams() -> None:
    rows = [json.loads(line) for line in UPSTREAM.read_text().splitlines()]
    upstream = {(row.get("group", ""), row["version"], row["resource"]): row for row in rows}
    wrong = []
    for resource in RECORDED:
        want = upstream[resource.group, resource.version, resource.plural]
        row = documents._aggregated_row(resource)
        found = {
            "kind": row["responseKind"]["kind"], "scope": row["scope"],
            "singular": row["singularResource"], "short": row.get("shortNames"),
            "categories": row.get("categories"), "verbs": row["verbs"],
        }  # fmt: skip
        wrong += [(resource.plural, k, v) for k, v in found.items() if want.get(k) != v]
        subs = {one["subresource"]: one for one in want.get("subresources", ())}
        for sub in row.get("subresources", ()):
            if subs[sub["subresource"]]["verbs"] != sub["verbs"]:
                wrong.append((resource.plural, sub["subresource"], sub["verbs"]))
    assert wrong == []


@pytest.mark.parametrize(
    ("group", "version", "plural", "wanted"),
    [
        ("", "v1", "configmaps", "qFsyl6wFWjQ="),
        ("events.k8s.io", "v1", "events", "r2yiGXH7wu8="),  # stored as core's
        ("autoscaling", "v1", "horizontalpodautoscalers", "qwQve8ut294="),  # stored as v2
        ("", "v1", "componentstatuses", None),
        ("authorization.k8s.io", "v1", "subjectaccessreviews", None),
    ],
)
def test_what_is_stored_has_upstreams_storage_version_hash(
    group: str, version: str, plural: str, wanted: str | None
) -> None:
    listed = [one for one in RESOURCES if (one.group, one.version) == (group, version)]
    rows = documents.resource_list("g/v", listed)["resources"]
    [found] = [row.get("storageVersionHash") for row in rows if row["name"] == plural]
    assert found == wanted


def test_groups_come_in_upstreams_order() -> None:
    groups = list(documents.grouped(RESOURCES))
    assert groups[:4] == ["", "apps", "events.k8s.io", "authentication.k8s.io"]


@pytest.mark.parametrize(
    ("versions", "want"),
    [
        (["v1beta1", "v1", "v2"], ["v2", "v1", "v1beta1"]),
        (["v1alpha1", "v1beta2", "v1beta10"], ["v1beta10", "v1beta2", "v1alpha1"]),
    ],
)
def test_newest_stable_version_first(versions: list[str], want: list[str]) -> None:
    assert sorted(versions, key=documents.version_rank) == want


def test_legacy_list_names_foreign_kinds_of_subresources(discovery: Discovery) -> None:
    body = orjson.loads(discovery.answer(["apis", "apps", "v1"], context(), "").body)  # type: ignore[arg-type]
    rows = {row["name"]: row for row in body["resources"]}
    assert rows["deployments"]["shortNames"] == ["deploy"]
    assert rows["deployments/scale"] == {
        "name": "deployments/scale", "singularName": "", "namespaced": True,
        "group": "autoscaling", "version": "v1", "kind": "Scale",
        "verbs": ["get", "patch", "update"],
    }  # fmt: skip
    assert body["groupVersion"] == "apps/v1"


def test_unknown_groups_are_not_found(discovery: Discovery) -> None:
    with pytest.raises(ApiError) as refusal:
        discovery.answer(["apis", "nope"], context(), "")
    assert refusal.value.code == 404


@pytest.mark.parametrize(
    ("accept", "want"),
    [
        ("", ""),
        ("application/json", ""),
        ("*/*", ""),
        (AGGREGATED, "v2"),
        (f"{AGGREGATED.replace('v=v2', 'v=v2beta1')},application/json", "v2beta1"),
        (f"{AGGREGATED.replace('v=v2', 'v=v9')},{AGGREGATED}", "v2"),
        (f"application/vnd.kubernetes.protobuf,{AGGREGATED}", "v2"),
        ("application/json, " + AGGREGATED, ""),
    ],
)
def test_accept(accept: str, want: str) -> None:
    assert chosen_form(accept, aggregates=True) == want


def test_what_cannot_be_accepted() -> None:
    with pytest.raises(ApiError) as refusal:
        chosen_form("application/vnd.kubernetes.protobuf", aggregates=True)
    assert refusal.value.code == 406


def test_aggregated_has_an_etag(discovery: Discovery) -> None:
    first = discovery.answer(["apis"], context(AGGREGATED), "")
    assert first.content_type == AGGREGATED
    body = orjson.loads(first.body)  # type: ignore[arg-type]
    assert body["kind"] == "APIGroupDiscoveryList"
    assert body["items"][0]["metadata"] == {"name": "apps"}
    again = discovery.answer(["apis"], context(AGGREGATED), first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    assert (
        discovery.answer(["api"], context(AGGREGATED), "").headers["ETag"] != first.headers["ETag"]
    )
