"""etcd fails in the middle of a write load: what was acknowledged is there, what was refused is not."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Callable
from typing import Any

import httpx

from tests.integration.apiserver.following import Follower, until
from tests.integration.conftest import running_apiserver

PATH = "/api/v1/namespaces/default/configmaps"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
WRITERS = 6
UNKNOWN = 504  # the answer to a write that may have been done


class Load:
    """Creates objects and notes what was answered, until stopped."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.running = True
        self.done: dict[str, int] = {}  # name → resourceVersion
        self.refused: dict[str, str] = {}
        self.unknown: set[str] = set()

    async def write(self, writer: int) -> None:
        count = 0
        while self.running:
            count += 1
            name = f"w{writer}-{count}"
            body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}}
            try:
                answer = await self._client.post(PATH, json=body)
            except httpx.HTTPError:
                self.unknown.add(name)
                continue
            if answer.status_code == 201:
                self.done[name] = int(answer.json()["metadata"]["resourceVersion"])
            elif answer.status_code == UNKNOWN:
                self.unknown.add(name)
            else:
                assert answer.status_code == 503, answer.text
                self.refused[name] = answer.text

    async def more(self, count: int) -> None:
        """Wait until so many more writes are acknowledged."""
        wanted = len(self.done) + count
        await until(lambda: len(self.done) >= wanted, 40)


async def check(client: httpx.AsyncClient, load: Load, follower: Follower) -> None:
    """Nothing acknowledged is lost, nothing refused is there, the watch missed and repeated nothing."""
    listed = {
        item["metadata"]["name"]: int(item["metadata"]["resourceVersion"])
        for item in (await client.get(PATH)).json()["items"]
        if item["metadata"]["name"].startswith("w")
    }
    assert load.done.items() <= listed.items()
    assert not load.refused.keys() & listed.keys()
    assert listed.keys() <= load.done.keys() | load.unknown
    newest = max(listed.values())
    await until(lambda: follower.revision >= newest)
    seen = [(event.type, event.name, event.revision) for event in follower.events]
    assert seen == [
        ("ADDED", name, at) for name, at in sorted(listed.items(), key=lambda one: one[1])
    ]


async def load_through(apiserver: Any, fail: Callable[[], None], mend: Callable[[], None]) -> Load:
    """Writers and a watcher; etcd fails, and is mended, twice."""
    async with apiserver.client() as client:
        start = int((await client.get(PATH)).json()["metadata"]["resourceVersion"])
        load, follower = Load(client), Follower(client, PATH, start)
        following = asyncio.create_task(follower.run())
        async with asyncio.TaskGroup() as group:
            for number in range(WRITERS):
                group.create_task(load.write(number))
            for _ in range(2):
                await load.more(150)
                await asyncio.to_thread(fail)
                await asyncio.sleep(0.5)
                await asyncio.to_thread(mend)
            await load.more(150)
            load.running = False
        await check(client, load, follower)
        following.cancel()
        print(f"{len(load.done)} done, {len(load.refused)} refused, {len(load.unknown)} unknown")
        return load


async def test_etcd_is_killed_and_restarted_amid_writes(apiserver: Any) -> None:
    await load_through(apiserver, apiserver.etcd.kill, apiserver.etcd.start)


def ask_etcd(member: Any, path: str) -> dict[str, Any]:
    request = urllib.request.Request(f"{member.url}/v3/{path}", data=b"{}")
    with urllib.request.urlopen(request, timeout=5) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def leader_of(cluster: list[Any]) -> Any:
    for member in cluster:
        status = ask_etcd(member, "maintenance/status")
        if status["leader"] == status["header"]["member_id"]:
            return member
    raise AssertionError("nobody leads")


async def test_etcd_loses_its_leader_amid_writes(etcd_cluster: list[Any]) -> None:
    others = ",".join(member.url for member in etcd_cluster[1:])
    lost: list[Any] = []

    def fail() -> None:
        lost.append(leader_of(etcd_cluster))
        lost[-1].kill()

    with running_apiserver(etcd_cluster[0], f"--etcd-servers={others}") as apiserver:
        await load_through(apiserver, fail, lambda: lost[-1].start())


async def test_a_full_etcd_refuses_writes_and_still_reads(tiny_etcd: Any) -> None:
    with running_apiserver(tiny_etcd) as apiserver:
        async with apiserver.client() as client:
            tree: dict[str, Any] = {"kind": "Lease", "apiVersion": "coordination.k8s.io/v1"}
            tree["spec"] = {"holderIdentity": "x" * 800_000}
            for number in range(20):
                tree["metadata"] = {"name": f"big-{number}"}
                answer = await client.post(LEASES, json=tree)
                if answer.status_code != 201:
                    break
            assert answer.status_code == 503, answer.text
            assert "no space" in answer.json()["message"]
            assert answer.headers["retry-after"]
            listed = await client.get(LEASES)
            assert len(listed.json()["items"]) == number
            assert (await client.get(f"{LEASES}/big-0")).status_code == 200
            assert (await client.get(f"{LEASES}/big-{number}")).status_code == 404
