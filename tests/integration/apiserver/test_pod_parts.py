"""`pods/ephemeralcontainers` and `pods/resize` over HTTP: each by itself, counted in the generation."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

STRATEGIC = {"content-type": "application/strategic-merge-patch+json"}
RESOURCES = {"requests": {"cpu": "100m"}, "limits": {"cpu": "200m"}}


@pytest.fixture
async def path(shared_apiserver: Any) -> Any:
    """A pod of the test's own: its client and its path."""
    namespace = f"t-{uuid.uuid4().hex[:8]}"
    async with shared_apiserver.client() as client:
        await client.post("/api/v1/namespaces", json={"metadata": {"name": namespace}})
        base = f"/api/v1/namespaces/{namespace}"
        await client.post(f"{base}/serviceaccounts", json={"metadata": {"name": "default"}})
        container = {"name": "c", "image": "b:1", "resources": RESOURCES}
        made = await client.post(
            f"{base}/pods", json={"metadata": {"name": "p"}, "spec": {"containers": [container]}}
        )
        assert made.status_code == 201, made.text
        yield client, f"{base}/pods/p"


async def test_ephemeral_containers_are_added(path: Any) -> None:
    client, url = path
    body = {"spec": {"ephemeralContainers": [{"name": "d", "image": "b:1", "stdin": True}]}}
    patched = await client.patch(f"{url}/ephemeralcontainers", json=body, headers=STRATEGIC)
    assert patched.status_code == 200, patched.text
    pod = patched.json()
    assert pod["metadata"]["generation"] == 2
    assert [one["name"] for one in pod["spec"]["ephemeralContainers"]] == ["d"]
    [entry] = [e for e in pod["metadata"]["managedFields"] if e.get("subresource")]
    assert entry["subresource"] == "ephemeralcontainers"
    assert list(entry["fieldsV1"]) == ["f:spec"]
    read = (await client.get(f"{url}/ephemeralcontainers")).json()
    assert read == pod
    # Through the pod itself they can be neither changed nor taken away.
    del read["spec"]["ephemeralContainers"]
    refused = await client.put(url, json=read)
    assert refused.status_code == 422
    assert "pod updates may not change fields" in refused.json()["message"]


async def test_resources_are_changed(path: Any) -> None:
    client, url = path
    limits = {"limits": {"cpu": "300m"}}
    body = {"spec": {"containers": [{"name": "c", "resources": limits}]}}
    through_pod = await client.patch(url, json=body, headers=STRATEGIC)
    assert through_pod.status_code == 422
    resized = await client.patch(f"{url}/resize", json=body, headers=STRATEGIC)
    assert resized.status_code == 200, resized.text
    pod = resized.json()
    assert pod["metadata"]["generation"] == 2
    assert pod["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "300m"}
    pod["metadata"]["labels"] = {"dropped": "yes"}
    pod["spec"]["containers"][0]["resources"]["limits"]["cpu"] = "400m"
    put = await client.put(f"{url}/resize", json=pod)
    assert put.status_code == 200, put.text
    assert put.json()["metadata"]["generation"] == 3
    assert "labels" not in put.json()["metadata"]
    same = await client.put(f"{url}/resize", json=put.json())
    assert same.json()["metadata"]["resourceVersion"] == put.json()["metadata"]["resourceVersion"]
    for entry in same.json()["metadata"]["managedFields"]:
        assert "f:dropped" not in str(entry)


async def test_a_resize_that_changes_the_class_is_refused(path: Any) -> None:
    client, url = path
    both = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
    body = {"spec": {"containers": [{"name": "c", "resources": both}]}}
    refused = await client.patch(f"{url}/resize", json=body, headers=STRATEGIC)
    assert refused.status_code == 422
    assert "Pod QOS Class may not change as a result of resizing" in refused.json()["message"]
