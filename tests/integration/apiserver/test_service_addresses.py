"""Service addresses among several API servers: never the same twice, freed, repaired."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

from apiserver.storage.etcd import EtcdStorage
from tests.integration.conftest import running_apiserver

SERVICES = "/api/v1/namespaces/default/services"
ADDRESSES = "/apis/networking.k8s.io/v1/ipaddresses"
COUNT = 30
NARROW = "--service-cluster-ip-range=10.97.0.0/26"  # 62 addresses: two servers meet


async def make(client: httpx.AsyncClient, name: str, **spec: Any) -> httpx.Response:
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"ports": [{"port": 80}], **spec},
    }
    return await client.post(SERVICES, json=body)


async def addresses(client: httpx.AsyncClient) -> dict[str, str]:
    """Who holds which."""
    items = (await client.get(ADDRESSES)).json()["items"]
    return {one["metadata"]["name"]: one["spec"]["parentRef"]["name"] for one in items}


async def test_two_servers_never_choose_one_address(make_apiserver: Callable[..., Any]) -> None:
    first, second = make_apiserver(NARROW), make_apiserver(NARROW)
    async with first.client() as one, second.client() as other:
        made = await asyncio.gather(
            *(make(client, f"s{n}") for n, client in enumerate([one, other] * (COUNT // 2)))
        )
        assert [answer.status_code for answer in made] == [201] * COUNT
        chosen = {
            answer.json()["spec"]["clusterIP"]: answer.json()["metadata"]["name"] for answer in made
        }
        assert len(chosen) == COUNT
        held = await addresses(one)
        assert held == {**chosen, "10.97.0.1": "kubernetes"}
        wish = next(iter(chosen))
        refused = await make(other, "again", clusterIP=wish)
        assert refused.status_code == 422
        assert "provided IP is already allocated" in refused.json()["message"]


async def test_the_same_wish_at_two_servers(make_apiserver: Callable[..., Any]) -> None:
    first, second = make_apiserver(NARROW), make_apiserver(NARROW)
    async with first.client() as one, second.client() as other:
        for n in range(5):
            wish = f"10.97.0.{40 + n}"
            answers = await asyncio.gather(
                make(one, f"a{n}", clusterIP=wish), make(other, f"b{n}", clusterIP=wish)
            )
            assert sorted(answer.status_code for answer in answers) == [201, 422]


async def test_an_address_follows_its_service(apiserver: Any) -> None:
    async with apiserver.client() as client:
        address = (await make(client, "s")).json()["spec"]["clusterIP"]
        assert (await addresses(client))[address] == "s"
        assert (await make(client, "s")).status_code == 409
        assert sorted((await addresses(client)).values()) == ["kubernetes", "s"]
        merge = {"Content-Type": "application/merge-patch+json"}
        away = {"spec": {"type": "ExternalName", "externalName": "a.io", "clusterIP": None}}
        away["spec"]["clusterIPs"] = None
        changed = await client.patch(f"{SERVICES}/s", json=away, headers=merge)
        assert changed.status_code == 200, changed.text
        assert address not in await addresses(client)
        again = await make(client, "t", clusterIP=address)
        assert again.status_code == 201, again.text
        assert (await client.delete(f"{SERVICES}/t")).status_code == 200
        assert address not in await addresses(client)
        dry = await client.post(
            f"{SERVICES}?dryRun=All", json=again.json() | {"metadata": {"name": "d"}}
        )
        assert dry.status_code == 201, dry.text
        assert address not in await addresses(client)


async def test_what_is_missing_is_made_at_start(apiserver: Any) -> None:
    async with apiserver.client() as client:
        address = (await make(client, "s")).json()["spec"]["clusterIP"]
        assert (await client.delete(f"{ADDRESSES}/{address}")).status_code == 200
        assert address not in await addresses(client)
    apiserver.stop()
    apiserver.start()
    async with apiserver.client() as client:
        assert (await addresses(client))[address] == "s"


PORTS = "--service-node-port-range=30000-30047"


async def test_two_servers_never_choose_one_node_port(make_apiserver: Callable[..., Any]) -> None:
    first, second = make_apiserver(PORTS), make_apiserver(PORTS)
    spec = {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",  # a health-check port too
        "ports": [{"name": "a", "port": 80}],
    }
    async with first.client() as one, second.client() as other:
        made = await asyncio.gather(
            *(make(client, f"s{n}", **spec) for n, client in enumerate([one, other] * 10))
        )
        assert [answer.status_code for answer in made] == [201] * 20, made[-1].text
        specs = [answer.json()["spec"] for answer in made]
        ports = {one["ports"][0]["nodePort"] for one in specs}
        ports |= {one["healthCheckNodePort"] for one in specs}
        assert len(ports) == 40
        left = sorted(set(range(30000, 30048)) - ports)
        for n, wish in enumerate(left[:5]):
            wished = {"type": "NodePort", "ports": [{"port": 80, "nodePort": wish}]}
            answers = await asyncio.gather(
                make(one, f"a{n}", **wished), make(other, f"b{n}", **wished)
            )
            assert sorted(answer.status_code for answer in answers) == [201, 422]
            refused = next(answer for answer in answers if answer.status_code == 422)
            assert "provided port is already allocated" in refused.json()["message"]


async def test_a_node_port_comes_back(make_apiserver: Callable[..., Any]) -> None:
    first, second = make_apiserver(PORTS), make_apiserver(PORTS)
    wish = {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30007}]}
    merge = {"Content-Type": "application/merge-patch+json"}
    async with first.client() as one, second.client() as other:
        assert (await make(one, "s", **wish)).status_code == 201
        assert (await make(other, "t", **wish)).status_code == 422
        plain = {"spec": {"type": "ClusterIP"}}
        changed = await one.patch(f"{SERVICES}/s", json=plain, headers=merge)
        assert changed.status_code == 200, changed.text
        assert (await make(other, "t", **wish)).status_code == 201
        assert (await other.delete(f"{SERVICES}/t")).status_code == 200
        assert (await make(one, "u", **wish)).status_code == 201


async def test_what_a_dead_server_left_is_freed_at_start(apiserver: Any) -> None:
    key, wish = b"/registry/ranges/servicenodeports/30009", {"port": 80, "nodePort": 30009}
    left = b'{"namespace":"default","name":"never","made":"2020-01-01T00:00:00Z"}'
    storage = EtcdStorage([apiserver.etcd.url])
    await storage.create(key, left)
    await storage.close()
    async with apiserver.client() as client:
        assert (await make(client, "s", type="NodePort", ports=[wish])).status_code == 422
    apiserver.stop()
    apiserver.start()
    async with apiserver.client() as client:
        assert (await make(client, "s", type="NodePort", ports=[wish])).status_code == 201


async def test_a_second_family_is_added_to_the_default_network(etcd: Any) -> None:
    path = "/apis/networking.k8s.io/v1/servicecidrs/kubernetes"
    with running_apiserver(etcd, NARROW) as first:
        async with first.client() as client:
            assert (await client.get(path)).json()["spec"]["cidrs"] == ["10.97.0.0/26"]
        first.stop()
    with running_apiserver(etcd, f"{NARROW},fd00::/112") as second:
        async with second.client() as client:
            assert (await client.get(path)).json()["spec"]["cidrs"] == [
                "10.97.0.0/26",
                "fd00::/112",
            ]
            both = await make(client, "s", ipFamilyPolicy="RequireDualStack")
            assert [":" in one for one in both.json()["spec"]["clusterIPs"]] == [False, True]
            second_address = both.json()["spec"]["clusterIPs"][1]
            assert (await addresses(client))[second_address] == "s"
            single = await change(client, "s", ipFamilyPolicy="SingleStack")
            assert single.json()["spec"]["clusterIPs"] == both.json()["spec"]["clusterIPs"][:1]
            assert second_address not in await addresses(client)
            again = (await change(client, "s", ipFamilyPolicy="PreferDualStack")).json()["spec"]
            assert (again["clusterIP"], again["ipFamilies"]) == (
                both.json()["spec"]["clusterIP"],
                ["IPv4", "IPv6"],
            )
            assert (await addresses(client))[again["clusterIPs"][1]] == "s"


async def change(client: httpx.AsyncClient, name: str, **spec: Any) -> httpx.Response:
    merge = {"Content-Type": "application/merge-patch+json"}
    answer = await client.patch(f"{SERVICES}/{name}", json={"spec": spec}, headers=merge)
    assert answer.status_code == 200, answer.text
    return answer
