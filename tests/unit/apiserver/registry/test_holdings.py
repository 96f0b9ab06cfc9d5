"""Who holds a Service's address or node port, and what is repaired."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apiserver.registry.claims import (
    ABANDONED,
    ADDRESSES,
    SERVICES,
    Claim,
    address_claim,
    address_tree,
    differences,
    gained,
    key,
    owner_of,
)
from apiserver.registry.holdings import AddressTaken, Holdings
from apiserver.registry.strategies import STRATEGIES
from apiserver.storage.cache import WatchCache
from apiserver.storage.encoder import encode
from apiserver.storage.keys import key_of
from apiserver.storage.memory import MemoryStorage

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OLD = NOW - ABANDONED - timedelta(seconds=1)
Tree = dict[str, Any]


def service(name: str, *addresses: str) -> Tree:
    return {
        "metadata": {"namespace": "n", "name": name},
        "spec": {"clusterIPs": [*addresses]},
    }


def address(ip: str, owner: str, made: datetime = OLD) -> Tree:
    return address_tree(ip, "n", owner, made, "u")


def test_differences() -> None:
    services = [service("a", "10.0.0.1", "fd00::1"), service("b", "None"), service("c", "10.0.0.2")]
    addresses = [
        address("10.0.0.1", "a"),
        address("10.0.0.2", "gone"),
        address("10.0.0.3", "gone"),
        address("10.0.0.4", "coming", NOW),
        {**address("10.0.0.5", "x"), "spec": {"parentRef": {"group": "g.io", "resource": "r"}}},
    ]
    found = {one["metadata"]["name"]: address_claim(one) for one in addresses}
    missing, abandoned = differences(services, found, NOW)
    assert missing == {"fd00::1": ("n", "a")}
    assert abandoned == {"10.0.0.2": ("n", "gone"), "10.0.0.3": ("n", "gone")}


def test_differences_of_ports() -> None:
    ports = [
        {"port": 53, "protocol": "TCP", "nodePort": 30053},
        {"port": 53, "protocol": "UDP", "nodePort": 30053},
    ]
    one = service("a")
    one["spec"] |= {"ports": ports, "healthCheckNodePort": 30080}
    found = {
        "port/30053": Claim(("n", "a"), OLD),
        "port/30054": Claim(("n", "a"), OLD),
        "port/30055": Claim(("n", "coming"), NOW),
    }
    missing, abandoned = differences([one], found, NOW)
    assert missing == {"port/30080": ("n", "a")}
    assert abandoned == {"port/30054": ("n", "a")}
    assert gained(one, None) == ["port/30053", "port/30080"]


def test_what_is_gained_and_lost() -> None:
    before, after = service("a", "10.0.0.1"), service("a", "10.0.0.1", "fd00::1")
    assert gained(after, before) == ["fd00::1"]
    assert gained(before, after) == []
    assert gained(before, None) == ["10.0.0.1"]


def test_an_address_says_whose_it_is() -> None:
    tree = address("fd00::1", "a")
    assert owner_of(tree) == ("n", "a")
    assert tree["metadata"]["labels"]["ipaddress.kubernetes.io/ip-family"] == "IPv6"
    assert tree["metadata"]["managedFields"][0]["manager"] == "kube-apiserver"


@pytest.fixture
async def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
async def holdings(storage: MemoryStorage) -> AsyncIterator[Holdings]:
    cache = WatchCache(storage, STRATEGIES)
    running = asyncio.create_task(cache.run())
    await cache.ready.wait()
    yield Holdings(storage, cache)
    running.cancel()
    await asyncio.wait([running])


async def held(storage: MemoryStorage, ip: str) -> bool:
    return await storage.get(key_of(ADDRESSES, "", ip)) is not None


async def test_the_first_has_it(holdings: Holdings, storage: MemoryStorage) -> None:
    assert await holdings.hold("n", "a", ["10.0.0.1"], NOW) == ["10.0.0.1"]
    assert await holdings.hold("n", "a", ["10.0.0.1"], NOW) == []
    with pytest.raises(AddressTaken):
        await holdings.hold("n", "b", ["10.0.0.2", "10.0.0.1"], NOW)
    assert not await held(storage, "10.0.0.2")  # all of them or none
    await holdings.release("n", "b", ["10.0.0.1"])
    assert await held(storage, "10.0.0.1")
    await holdings.release("n", "a", ["10.0.0.1", "10.0.0.9"])
    assert not await held(storage, "10.0.0.1")


async def test_repair_frees_what_nobody_holds(holdings: Holdings, storage: MemoryStorage) -> None:
    await holdings.hold("n", "gone", ["10.0.0.1"], OLD)
    await holdings.hold("n", "coming", ["10.0.0.2"], NOW)
    await holdings.repair(NOW)
    assert not await held(storage, "10.0.0.1")
    assert await held(storage, "10.0.0.2")


async def test_a_port_met_is_told_once(holdings: Holdings, storage: MemoryStorage) -> None:
    assert await holdings.hold("n", "a", ["port/30080"], NOW) == ["port/30080"]
    with pytest.raises(AddressTaken):
        await holdings.hold("n", "b", ["10.0.0.1", "port/30080"], NOW)
    assert not await held(storage, "10.0.0.1")
    assert holdings.others("n", "b")[0]["spec"]["ports"] == [{"nodePort": 30080}]
    assert holdings.others("n", "b")[0]["spec"]["ports"] == []
    await holdings.release("n", "a", ["port/30080"])
    assert await holdings.hold("n", "b", ["port/30080"], NOW) == ["port/30080"]


async def test_the_slower_of_two_namesakes_takes_nothing_away(
    holdings: Holdings, storage: MemoryStorage
) -> None:
    await holdings.hold("n", "a", ["port/30080", "10.0.0.1"], NOW)
    one = service("a", "10.0.0.1")
    one["spec"]["ports"] = [{"nodePort": 30080}]
    stored = encode({"kind": "Service", "apiVersion": "v1", **one})
    await storage.create(key_of(SERVICES, "n", "a"), stored)
    await holdings.release("n", "a", ["port/30080", "10.0.0.1"])
    assert await held(storage, "10.0.0.1")
    assert await storage.get(key("port/30080")) is not None


async def test_ports_are_repaired(holdings: Holdings, storage: MemoryStorage) -> None:
    await holdings.hold("n", "gone", ["port/30080"], OLD)
    await holdings.hold("n", "coming", ["port/30081"], NOW)
    await holdings.repair(NOW)
    assert await storage.get(key("port/30080")) is None
    assert await storage.get(key("port/30081")) is not None
