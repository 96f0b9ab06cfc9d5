"""A real API server on a real etcd, over real HTTP: what only shows end to end."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

DEADLINE_SECONDS = 60.0


@pytest.fixture
async def client(shared_apiserver: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with shared_apiserver.client() as found:
        yield found


@pytest.fixture
async def namespace(client: httpx.AsyncClient) -> str:
    """A namespace of the test's own, with its ServiceAccount."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    await made(client, "/api/v1/namespaces", "v1", "Namespace", name)
    await made(
        client, f"/api/v1/namespaces/{name}/serviceaccounts", "v1", "ServiceAccount", "default"
    )
    return name


async def made(
    client: httpx.AsyncClient, path: str, version: str, kind: str, name: str, **fields: Any
) -> dict[str, Any]:
    body = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields}
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def lines(response: httpx.Response, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(DEADLINE_SECONDS):
        async for line in response.aiter_lines():
            found.append(json.loads(line))
            if len(found) == count:
                break
    return found


async def test_round_trip(client: httpx.AsyncClient, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    first = await made(client, path, "v1", "ConfigMap", "a", data={"k": "v"})
    got = await client.get(f"{path}/a")
    assert got.json() == first
    assert got.headers["content-type"] == "application/json"
    first["data"]["k"] = "w"
    put = await client.put(f"{path}/a", json=first)
    assert put.status_code == 200
    stale = await client.put(f"{path}/a", json=first)
    assert (stale.status_code, stale.json()["reason"]) == (409, "Conflict")
    gone = await client.delete(f"{path}/a")
    assert gone.json()["status"] == "Success"
    missing = await client.get(f"{path}/a")
    assert missing.json() == {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": 'configmaps "a" not found', "reason": "NotFound",
        "details": {"name": "a", "kind": "configmaps"}, "code": 404,
    }  # fmt: skip


async def test_reads_see_what_was_written_before(client: httpx.AsyncClient, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    for index in range(50):
        await made(client, path, "v1", "ConfigMap", f"c{index}")
        listed = (await client.get(path)).json()
        assert len(listed["items"]) == index + 1


async def test_watch_tells_all_in_order(client: httpx.AsyncClient, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    since = (await client.get(path)).json()["metadata"]["resourceVersion"]
    async with client.stream("GET", path, params={"watch": "1", "resourceVersion": since}) as watch:
        for index in range(20):
            await made(client, path, "v1", "ConfigMap", f"c{index}")
        events = await lines(watch, 20)
    assert [event["object"]["metadata"]["name"] for event in events] == [
        f"c{index}" for index in range(20)
    ]
    revisions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert revisions == sorted(revisions)


async def test_services_get_addresses_of_their_own(
    client: httpx.AsyncClient, namespace: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/services"

    async def make(index: int) -> dict[str, Any]:
        return await made(
            client, path, "v1", "Service", f"s{index}",
            spec={"type": "NodePort", "selector": {"a": "b"}, "ports": [{"port": 80}]},
        )  # fmt: skip

    services = await asyncio.gather(*(make(index) for index in range(20)))
    addresses = {service["spec"]["clusterIP"] for service in services}
    ports = {service["spec"]["ports"][0]["nodePort"] for service in services}
    assert len(addresses) == len(ports) == 20
    assert all(address.startswith("10.96.") for address in addresses)
    taken = sorted(addresses)[0]
    body = {
        "kind": "Service", "apiVersion": "v1", "metadata": {"name": "wish"},
        "spec": {"clusterIP": taken, "ports": [{"port": 80}]},
    }  # fmt: skip
    refused = await client.post(path, json=body)
    assert refused.status_code == 422
    assert "already allocated" in refused.json()["message"]


async def test_binding_and_graceful_deletion(client: httpx.AsyncClient, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    node = f"node-{namespace}"  # other tests leave pods on theirs
    spec = {"containers": [{"name": "c", "image": "i"}]}
    await made(client, path, "v1", "Pod", "p", spec=spec)
    binding = {
        "kind": "Binding", "apiVersion": "v1", "metadata": {"name": "p"},
        "target": {"kind": "Node", "name": node},
    }  # fmt: skip
    query = {"watch": "1", "fieldSelector": f"spec.nodeName={node}", "resourceVersion": "0"}
    async with client.stream("GET", "/api/v1/pods", params=query) as watch:
        bound = await client.post(f"{path}/p/binding", json=binding)
        assert bound.status_code == 201, bound.text
        again = await client.post(f"{path}/p/binding", json=binding)
        assert again.status_code == 409
        marked = (await client.delete(f"{path}/p")).json()
        assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
        await client.delete(f"{path}/p", params={"gracePeriodSeconds": "0"})
        events = await lines(watch, 3)
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]
    assert (await client.get(f"{path}/p")).status_code == 404


async def test_status_and_spec_do_not_mix(client: httpx.AsyncClient, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    first = await made(client, path, "apps/v1", "Deployment", "d", spec=spec)
    assert first["metadata"]["generation"] == 1
    changed = {**first, "spec": {**first["spec"], "replicas": 5}, "status": {"replicas": 4}}
    after = (await client.put(f"{path}/d/status", json=changed)).json()
    assert (after["spec"]["replicas"], after["status"]["replicas"]) == (1, 4)
    assert after["metadata"]["generation"] == 1
    changed["metadata"]["resourceVersion"] = "0"  # stands for none
    changed["status"] = {}
    after = (await client.put(f"{path}/d", json=changed)).json()
    assert (after["spec"]["replicas"], after["status"]["replicas"]) == (5, 4)
    assert after["metadata"]["generation"] == 2
    for name in ("d", "not-there"):  # as Go's encoder ends what it writes
        assert (await client.get(f"{path}/{name}")).content.endswith(b"}\n")


async def test_many_conflicting_patches_all_land(client: httpx.AsyncClient, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    await made(client, path, "v1", "ConfigMap", "a")

    async def patch(index: int) -> int:
        answer = await client.patch(
            f"{path}/a", content=json.dumps({"data": {f"k{index}": "v"}}),
            headers={"Content-Type": "application/merge-patch+json"},
        )  # fmt: skip
        return answer.status_code

    codes = await asyncio.gather(*(patch(index) for index in range(12)))
    assert set(codes) == {200}
    found = (await client.get(f"{path}/a")).json()
    assert len(found["data"]) == 12


async def test_delete_collection_and_namespace(client: httpx.AsyncClient, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    for index in range(10):
        await made(client, path, "v1", "ConfigMap", f"c{index}")
    assert (await client.delete(path)).status_code == 200
    assert (await client.get(path)).json()["items"] == []
    held = {"metadata": {"name": "held", "finalizers": ["a.b/c"]}}
    for query, code in (("", 200), ("?orphanDependents=false", 202)):
        assert (await client.post(path, json=held)).status_code in (201, 409)
        assert (await client.delete(f"{path}/held{query}")).status_code == code
    going = (await client.delete(f"/api/v1/namespaces/{namespace}")).json()
    assert going["status"]["phase"] == "Terminating"
    refused = await client.post(path, json={"metadata": {"name": "late"}})
    assert refused.status_code == 403
    going["spec"]["finalizers"] = []
    await client.put(f"/api/v1/namespaces/{namespace}/finalize", json=going)
    assert (await client.get(f"/api/v1/namespaces/{namespace}")).status_code == 404


async def test_too_large_is_413(client: httpx.AsyncClient, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/events"
    body = {
        "kind": "Event", "apiVersion": "v1", "metadata": {"name": "big"},
        "involvedObject": {"namespace": namespace}, "message": "x", "reason": "y",
        "reportingComponent": "t", "source": {"component": "t"}, "type": "Normal",
    }  # fmt: skip
    assert (await client.post(path, json=body)).status_code == 201
    body["metadata"] = {"name": "bigger", "annotations": {}}
    huge = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "m"}}
    huge["data"] = {"a": "x" * 1_000_000, "b": "y" * 700_000}
    answer = await client.post(f"/api/v1/namespaces/{namespace}/configmaps", json=huge)
    assert answer.status_code in (413, 422)
