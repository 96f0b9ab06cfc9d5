"""Evictions against budgets, on a real server."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

PODS = "/api/v1/namespaces/default/pods"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture
async def client(apiserver: Any) -> Any:
    async with apiserver.client() as client:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await client.post("/api/v1/namespaces/default/serviceaccounts", json=account)
        yield client


async def make_pod(client: httpx.AsyncClient, name: str) -> None:
    body = {
        "metadata": {"name": name, "labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    assert (await client.post(PODS, json=body)).status_code == 201
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    answer = await client.patch(f"{PODS}/{name}/status", json={"status": status}, headers=MERGE)
    assert answer.status_code == 200, answer.text


async def make_budget(client: httpx.AsyncClient, allowed: int) -> None:
    body = {
        "metadata": {"name": "x"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}},
    }
    assert (await client.post(BUDGETS, json=body)).status_code == 201
    status = {"observedGeneration": 1, "disruptionsAllowed": allowed, "desiredHealthy": 1,
              "currentHealthy": 1 + allowed, "expectedPods": 1 + allowed}  # fmt: skip
    answer = await client.patch(f"{BUDGETS}/x/status", json={"status": status}, headers=MERGE)
    assert answer.status_code == 200, answer.text


def evict(client: httpx.AsyncClient, name: str) -> Any:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    return client.post(f"{PODS}/{name}/eviction", json=body)


async def test_racing_evictions_take_no_more_than_the_budget(client: httpx.AsyncClient) -> None:
    names = [f"p{index}" for index in range(6)]
    for name in names:
        await make_pod(client, name)
    await make_budget(client, allowed=2)
    answers = await asyncio.gather(*(evict(client, name) for name in names))
    codes = sorted(one.status_code for one in answers)
    assert codes == [201, 201, 429, 429, 429, 429]
    refused = next(one.json() for one in answers if one.status_code == 429)
    assert refused["reason"] == "TooManyRequests"
    assert [one["reason"] for one in refused["details"]["causes"]] == ["DisruptionBudget"]
    budget = (await client.get(f"{BUDGETS}/x")).json()
    assert budget["status"]["disruptionsAllowed"] == 0
    assert len(budget["status"]["disruptedPods"]) == 2
    assert len((await client.get(PODS)).json()["items"]) == 4


async def test_a_budget_nobody_has_looked_at_refuses(client: httpx.AsyncClient) -> None:
    await make_pod(client, "p")
    body = {"metadata": {"name": "x"}, "spec": {"selector": {}}}
    assert (await client.post(BUDGETS, json=body)).status_code == 201
    answer = await evict(client, "p")
    assert answer.status_code == 429
    assert answer.json()["details"]["retryAfterSeconds"] == 10
    assert answer.headers["retry-after"] == "10"
