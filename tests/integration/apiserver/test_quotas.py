"""Quotas and limit ranges on a real server and a real etcd: never exceeded, freed again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
QUOTAS = "/api/v1/namespaces/default/resourcequotas"
RACERS = 100
ROOM = 10


@pytest.fixture
async def client(apiserver: Any) -> Any:
    async with apiserver.client() as client:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        made = await client.post("/api/v1/namespaces/default/serviceaccounts", json=account)
        assert made.status_code in (201, 409), made.text
        yield client


async def make_quota(client: httpx.AsyncClient, hard: dict[str, str], **spec: Any) -> None:
    body = {"metadata": {"name": "q"}, "spec": {"hard": hard, **spec}}
    made = await client.post(QUOTAS, json=body)
    assert made.status_code == 201, made.text


async def used(client: httpx.AsyncClient) -> dict[str, str]:
    answer = (await client.get(f"{QUOTAS}/q")).json()
    found: dict[str, str] = answer["status"].get("used", {})
    return found


async def until_used(client: httpx.AsyncClient, wanted: dict[str, str]) -> None:
    deadline = time.monotonic() + 60
    while (found := await used(client)) != wanted:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.05)


def pod(name: str, cpu: str = "", **spec: Any) -> dict[str, Any]:
    resources = {"requests": {"cpu": cpu}} if cpu else {}
    container = {"name": "c", "image": "i", "resources": resources}
    return {"metadata": {"name": name}, "spec": {"containers": [container], **spec}}


async def test_racing_creates_never_exceed_a_quota(client: httpx.AsyncClient) -> None:
    await make_quota(client, {"count/configmaps": str(ROOM)})
    await until_used(client, {"count/configmaps": "0"})
    answers = await asyncio.gather(
        *(client.post(CONFIGMAPS, json={"metadata": {"name": f"c{i}"}}) for i in range(RACERS))
    )
    codes = [one.status_code for one in answers]
    assert codes.count(201) == ROOM, codes
    assert codes.count(403) == RACERS - ROOM, codes
    refused = next(one.json() for one in answers if one.status_code == 403)
    assert refused["message"].endswith(
        "is forbidden: exceeded quota: q, requested: count/configmaps=1, "
        "used: count/configmaps=10, limited: count/configmaps=10"
    )
    assert len((await client.get(CONFIGMAPS)).json()["items"]) == ROOM
    assert await used(client) == {"count/configmaps": str(ROOM)}


async def test_nor_do_creates_that_race_on_two_servers(
    etcd: Any, make_apiserver: Callable[..., Any]
) -> None:
    servers = [make_apiserver() for _ in range(2)]
    async with servers[0].client() as one, servers[1].client() as two:
        await make_quota(one, {"count/configmaps": str(ROOM)})
        await until_used(two, {"count/configmaps": "0"})
        answers = await asyncio.gather(
            *(
                client.post(CONFIGMAPS, json={"metadata": {"name": f"{prefix}-{index}"}})
                for prefix, client in (("one", one), ("two", two))
                for index in range(RACERS // 2)
            )
        )
        assert [answer.status_code for answer in answers].count(201) == ROOM
        assert len((await two.get(CONFIGMAPS)).json()["items"]) == ROOM


async def test_what_is_deleted_makes_room(client: httpx.AsyncClient) -> None:
    await make_quota(client, {"pods": "1", "requests.cpu": "1"})
    await until_used(client, {"pods": "0", "requests.cpu": "0"})
    assert (await client.post(PODS, json=pod("a", "600m"))).status_code == 201
    assert await used(client) == {"pods": "1", "requests.cpu": "600m"}
    assert (await client.post(PODS, json=pod("b", "1m"))).status_code == 403
    assert (await client.delete(f"{PODS}/a")).status_code == 200
    await until_used(client, {"pods": "0", "requests.cpu": "0"})
    assert (await client.post(PODS, json=pod("b", "1"))).status_code == 201


async def test_a_create_that_is_not_done_is_not_counted(client: httpx.AsyncClient) -> None:
    await make_quota(client, {"configmaps": "2"})
    await until_used(client, {"configmaps": "0"})
    body = {"metadata": {"name": "c"}}
    assert (await client.post(f"{CONFIGMAPS}?dryRun=All", json=body)).status_code == 201
    assert (await client.post(CONFIGMAPS, json=body)).status_code == 201
    assert (await client.post(CONFIGMAPS, json=body)).status_code == 409
    await until_used(client, {"configmaps": "1"})


async def test_pods_that_ended_use_nothing(client: httpx.AsyncClient) -> None:
    await make_quota(client, {"pods": "1", "count/pods": "2"})
    await until_used(client, {"pods": "0", "count/pods": "0"})
    assert (await client.post(PODS, json=pod("a"))).status_code == 201
    done = {"status": {"phase": "Succeeded"}}
    merge = {"Content-Type": "application/merge-patch+json"}
    answer = await client.patch(f"{PODS}/a/status", json=done, headers=merge)
    assert answer.status_code == 200, answer.text
    await until_used(client, {"pods": "0", "count/pods": "1"})


async def test_what_was_there_before_the_quota_counts(client: httpx.AsyncClient) -> None:
    assert (await client.post(PODS, json=pod("a", "1"))).status_code == 201
    await make_quota(client, {"pods": "1"})
    refused = await client.post(PODS, json=pod("b", "1"))
    assert refused.status_code == 403
    assert "exceeded quota: q" in refused.json()["message"]


async def test_scopes(client: httpx.AsyncClient) -> None:
    await make_quota(client, {"pods": "0"}, scopes=["BestEffort"])
    assert (await client.post(PODS, json=pod("a"))).status_code == 403
    assert (await client.post(PODS, json=pod("b", "1"))).status_code == 201


async def test_bounded_compute_must_be_said(client: httpx.AsyncClient) -> None:
    await make_quota(client, {"limits.cpu": "1", "requests.cpu": "1"})
    refused = await client.post(PODS, json=pod("a"))
    assert refused.json()["message"] == (
        'pods "a" is forbidden: failed quota: q: must specify limits.cpu for: c; requests.cpu for: c'
    )


async def test_limit_ranges_give_and_bound(client: httpx.AsyncClient) -> None:
    item = {
        "type": "Container", "default": {"cpu": "200m"}, "defaultRequest": {"cpu": "100m"},
        "max": {"cpu": "1"}, "min": {"cpu": "50m"},
    }  # fmt: skip
    body = {"metadata": {"name": "l"}, "spec": {"limits": [item]}}
    made = await client.post("/api/v1/namespaces/default/limitranges", json=body)
    assert made.status_code == 201, made.text
    got = (await client.post(PODS, json=pod("a"))).json()
    assert got["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "200m"}, "requests": {"cpu": "100m"},
    }  # fmt: skip
    assert got["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
    )
    assert got["status"]["qosClass"] == "Burstable"
    refused = await client.post(PODS, json=pod("b", "10m"))
    assert refused.json()["message"] == (
        'pods "b" is forbidden: minimum cpu usage per Container is 50m, but request is 10m'
    )
