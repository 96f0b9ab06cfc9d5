"""Workload kinds on a real server: two versions of one, scales, what deletion leaves."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

V1 = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers"
V2 = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
JOBS = "/apis/batch/v1/namespaces/default/jobs"
CONTROLLERS = "/api/v1/namespaces/default/replicationcontrollers"
SETS = "/apis/apps/v1/namespaces/default/statefulsets"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
MERGE = {"Content-Type": "application/merge-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}
POD = {"containers": [{"name": "c", "image": "i"}]}
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}


@pytest.fixture
async def client(shared_apiserver: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with shared_apiserver.client() as found:
        yield found


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


async def make(client: httpx.AsyncClient, path: str, name: str, spec: dict[str, Any]) -> Any:
    made = await client.post(path, json={"metadata": {"name": name}, "spec": spec})
    assert made.status_code == 201, made.text
    return made.json()


async def test_an_autoscaler_made_in_version_1_is_stored_in_version_2(
    client: httpx.AsyncClient,
) -> None:
    name = unique("h")
    spec = {"scaleTargetRef": TARGET, "maxReplicas": 3, "targetCPUUtilizationPercentage": 70}
    made = await make(client, V1, name, spec)
    assert made["apiVersion"] == "autoscaling/v1"
    assert made["spec"]["targetCPUUtilizationPercentage"] == 70
    two = (await client.get(f"{V2}/{name}")).json()
    assert two["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 70
    assert two["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_every_verb_in_version_1(client: httpx.AsyncClient) -> None:
    name = unique("h")
    memory = {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}
    spec = {
        "scaleTargetRef": TARGET,
        "maxReplicas": 3,
        "metrics": [{"type": "Resource", "resource": memory}],
    }
    await make(client, V2, name, spec)
    one = (await client.get(f"{V1}/{name}")).json()
    said = one["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"]
    assert json.loads(said)[0]["resource"] == {"name": "memory", "targetAverageValue": "1Gi"}
    put = await client.put(f"{V1}/{name}", json=one)
    assert put.json()["metadata"]["resourceVersion"] == one["metadata"]["resourceVersion"], put.text
    patched = await client.patch(
        f"{V1}/{name}", json={"spec": {"targetCPUUtilizationPercentage": 60}}, headers=MERGE
    )
    assert patched.json()["spec"]["targetCPUUtilizationPercentage"] == 60
    two = (await client.get(f"{V2}/{name}")).json()
    assert [m["resource"]["name"] for m in two["spec"]["metrics"]] == ["cpu", "memory"]
    applied = {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {"scaleTargetRef": TARGET, "maxReplicas": 9},
    }
    answer = await client.patch(
        f"{V1}/{name}?fieldManager=a&force=true", content=json.dumps(applied), headers=APPLY
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["spec"]["maxReplicas"] == 9
    listed = (await client.get(V1)).json()
    assert listed["apiVersion"] == "autoscaling/v1"
    assert name in [one["metadata"]["name"] for one in listed["items"]]
    table = await client.get(f"{V1}/{name}?includeObject=Object", headers=TABLE)
    assert table.json()["rows"][0]["cells"][2] == "cpu: <unknown>/60%, memory: <unknown>/1Gi"
    assert table.json()["rows"][0]["object"]["apiVersion"] == "autoscaling/v1"
    gone = await client.delete(f"{V1}/{name}")
    assert gone.json()["status"] == "Success"
    assert (await client.get(f"{V2}/{name}")).status_code == 404


async def test_both_versions_are_watched(client: httpx.AsyncClient) -> None:
    name = unique("h")
    query = f"watch=true&timeoutSeconds=20&fieldSelector=metadata.name={name}"

    async def first(path: str) -> dict[str, Any]:
        async with client.stream("GET", f"{path}?{query}", timeout=60) as stream:
            async for line in stream.aiter_lines():
                found: dict[str, Any] = json.loads(line)["object"]
                return found
        raise AssertionError("the watch ended")

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        one, two = group.create_task(first(V1)), group.create_task(first(V2))
        await make(client, V2, name, {"scaleTargetRef": TARGET, "maxReplicas": 3})
    assert one.result()["apiVersion"] == "autoscaling/v1"
    assert one.result()["spec"]["targetCPUUtilizationPercentage"] == 80
    assert two.result()["spec"]["metrics"]


@pytest.mark.parametrize("path", [CONTROLLERS, SETS], ids=["controller", "set"])
async def test_scales(client: httpx.AsyncClient, path: str) -> None:
    name = unique("w")
    template = {"metadata": {"labels": {"a": "b"}}, "spec": POD}
    spec: dict[str, Any] = {"template": template}
    if path == SETS:
        spec["selector"] = {"matchLabels": {"a": "b"}}
    await make(client, path, name, spec)
    scale = (await client.get(f"{path}/{name}/scale")).json()
    assert scale["status"]["selector"] == "a=b"
    scale["spec"]["replicas"] = 4
    put = await client.put(f"{path}/{name}/scale", json=scale)
    assert put.status_code == 200, put.text
    found = (await client.get(f"{path}/{name}")).json()
    assert (found["spec"]["replicas"], found["metadata"]["generation"]) == (4, 2)


async def test_a_deleted_job_leaves_its_pods_unless_told(client: httpx.AsyncClient) -> None:
    name = unique("j")
    await make(client, JOBS, name, {"template": {"spec": {**POD, "restartPolicy": "Never"}}})
    answer = await client.delete(f"{JOBS}/{name}")
    assert "child pods are preserved by default" in answer.headers["warning"]
    assert answer.json()["metadata"]["finalizers"] == ["orphan"]
    other = unique("j")
    await make(client, JOBS, other, {"template": {"spec": {**POD, "restartPolicy": "Never"}}})
    answer = await client.delete(f"{JOBS}/{other}?propagationPolicy=Background")
    assert "warning" not in answer.headers
    assert answer.json()["status"] == "Success"


async def test_jobs_are_selected_by_success(client: httpx.AsyncClient) -> None:
    name = unique("j")
    await make(client, JOBS, name, {"template": {"spec": {**POD, "restartPolicy": "Never"}}})
    for count, expected in ((0, True), (1, False)):
        query = f"fieldSelector=status.successful={count},metadata.name={name}"
        found = (await client.get(f"{JOBS}?{query}")).json()["items"]
        assert bool(found) is expected
