"""Services that are made at the same time get numbers of their own."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

SERVICES = "/api/v1/namespaces/default/services"
COUNT = 40


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"type": "NodePort", "ports": [{"port": 80}], **spec},
    }


async def make(client: httpx.AsyncClient, name: str, **spec: Any) -> dict[str, Any]:
    answer = await client.post(SERVICES, json=service(name, **spec))
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_many_at_once(apiserver: Any) -> None:
    async with apiserver.client() as client:
        made = await asyncio.gather(*(make(client, f"s{n}") for n in range(COUNT)))
        addresses = {one["spec"]["clusterIP"] for one in made}
        ports = {one["spec"]["ports"][0]["nodePort"] for one in made}
        assert (len(addresses), len(ports)) == (COUNT, COUNT)
        taken = made[0]["spec"]["clusterIP"]
        refused = await client.post(SERVICES, json=service("again", clusterIP=taken))
        assert refused.status_code == 422
        assert "provided IP is already allocated" in refused.json()["message"]


async def test_an_address_comes_back_when_its_service_goes(apiserver: Any) -> None:
    async with apiserver.client() as client:
        first = await make(client, "first", clusterIP="10.96.0.77")
        gone = await client.delete(f"{SERVICES}/first")
        assert gone.status_code == 200, gone.text
        second = await make(client, "second", clusterIP="10.96.0.77")
        assert second["spec"]["clusterIP"] == first["spec"]["clusterIP"]


async def test_a_dry_run_takes_nothing(apiserver: Any) -> None:
    async with apiserver.client() as client:
        wish = service("dry", clusterIP="10.96.0.88")
        for _ in range(2):
            answer = await client.post(f"{SERVICES}?dryRun=All", json=wish)
            assert answer.status_code == 201, answer.text


async def test_changing_type_keeps_the_address(apiserver: Any) -> None:
    async with apiserver.client() as client:
        made = await make(client, "turns")
        answer = await client.patch(
            f"{SERVICES}/turns",
            json={"spec": {"type": "ClusterIP"}},
            headers={"Content-Type": "application/merge-patch+json"},
        )
        assert answer.status_code == 200, answer.text
        spec = answer.json()["spec"]
        assert spec["clusterIP"] == made["spec"]["clusterIP"]
        assert "nodePort" not in spec["ports"][0]
