"""What watchers and lists show under concurrent load, held against the store's own history."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

import httpx

from apiserver.storage.etcd import EtcdStorage
from tests.integration.apiserver.following import Follower, Seen, until

NAMESPACES = ("default", "kube-system", "kube-public")
PREFIX = b"/registry/configmaps/"
INCREMENTS = 1000
PATCHES = 400
WORKERS = 20
RIVALS = 5  # each of whom loses most rounds


def path_of(namespace: str = "", name: str = "") -> str:
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"/api/v1{scope}/configmaps" + (f"/{name}" if name else "")


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": data}


async def churn(client: httpx.AsyncClient, seed: int) -> None:
    """Creates, patches and deletes objects that others work on too."""
    rng = random.Random(seed)
    for count in range(60):
        namespace, name = rng.choice(NAMESPACES), f"c{rng.randrange(12)}"
        verb = rng.random()
        if verb < 0.45:
            answer = await client.post(path_of(namespace), json=config_map(name))
        elif verb < 0.75:
            patch = {"data": {"by": f"{seed}-{count}"}}
            headers = {"Content-Type": "application/merge-patch+json"}
            answer = await client.patch(path_of(namespace, name), json=patch, headers=headers)
        else:
            answer = await client.delete(path_of(namespace, name))
        assert answer.status_code in (200, 201, 404, 409), answer.text


async def history_of(url: str, upto: int) -> list[Seen]:
    """Every change of config maps in etcd, as a watch of everything would show it."""
    storage, living, found = EtcdStorage([url]), set(), []
    async for batch in storage.watch(after=0):
        for change in batch:
            if not change.key.startswith(PREFIX):
                continue
            namespace, name = change.key[len(PREFIX) :].decode().split("/")
            kind = "MODIFIED" if change.key in living else "ADDED"
            if change.value is None:
                kind = "DELETED"
                living.discard(change.key)
            else:
                living.add(change.key)
            found.append(Seen(kind, namespace, name, change.revision))
        if batch[-1].revision >= upto:
            break
    await storage.close()
    return found


async def test_every_watcher_sees_the_stores_order(apiserver: Any) -> None:
    async with apiserver.client() as client, asyncio.TaskGroup() as group:
        start = int((await client.get(path_of())).json()["metadata"]["resourceVersion"])
        followers: list[tuple[Follower, str, str, int]] = []
        tasks: list[asyncio.Task[None]] = []

        def follow(namespace: str, name: str, since: int) -> None:
            query = {"fieldSelector": f"metadata.name={name}"} if name else {}
            # Some are cut off again and again and resume.
            if len(followers) % 2:
                query["timeoutSeconds"] = "1"
            one = Follower(client, path_of(namespace), since, **query)
            followers.append((one, namespace, name, since))
            tasks.append(group.create_task(one.run()))

        for namespace in ("", *NAMESPACES):
            for name in ("", "c3"):
                follow(namespace, name, start)
        load = [group.create_task(churn(client, seed)) for seed in range(8)]
        await asyncio.sleep(0.3)
        middle = int((await client.get(path_of())).json()["metadata"]["resourceVersion"])
        for namespace in ("", "default"):
            for since in (start, middle):
                follow(namespace, "", since)
        await asyncio.gather(*load)
        await client.post(path_of("default"), json=config_map("last"))
        end = int((await client.get(path_of())).json()["metadata"]["resourceVersion"])
        history = [one for one in await history_of(apiserver.etcd.url, end) if one.revision <= end]
        wanted = [
            [
                event
                for event in history
                if event.revision > since
                and namespace in ("", event.namespace)
                and name in ("", event.name)
            ]
            for _, namespace, name, since in followers
        ]
        await until(
            lambda: all(
                len(one.events) >= len(want)
                for (one, *_), want in zip(followers, wanted, strict=True)
            )
        )
        for task in tasks:
            task.cancel()
    assert len(history) > 150
    for (one, namespace, name, since), want in zip(followers, wanted, strict=True):
        assert one.events == want, (namespace, name, since)


async def test_concurrent_increments_lose_none(apiserver: Any) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    left = iter(range(INCREMENTS))
    path = path_of("default", "counter")

    async def increment(client: httpx.AsyncClient) -> None:
        for _ in left:
            while True:
                found = (await client.get(path)).json()
                patch = {
                    "metadata": {"resourceVersion": found["metadata"]["resourceVersion"]},
                    "data": {"n": str(int(found["data"]["n"]) + 1)},
                }
                answer = await client.patch(path, json=patch, headers=headers)
                if answer.status_code == 200:
                    break
                assert answer.status_code == 409, answer.text

    async with apiserver.client() as client:
        await client.post(path_of("default"), json=config_map("counter", n="0"))
        await asyncio.gather(*(increment(client) for _ in range(RIVALS)))
        assert (await client.get(path)).json()["data"]["n"] == str(INCREMENTS)


async def test_concurrent_patches_of_one_object_are_all_done(apiserver: Any) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    left = iter(range(PATCHES))
    path = path_of("default", "shared")

    async def add(client: httpx.AsyncClient) -> None:
        for number in left:
            patch = {"data": {f"k{number}": "x"}}
            answer = await client.patch(path, json=patch, headers=headers)
            assert answer.status_code == 200, answer.text

    async with apiserver.client() as client:
        await client.post(path_of("default"), json=config_map("shared"))
        await asyncio.gather(*(add(client) for _ in range(WORKERS)))
        data = (await client.get(path)).json()["data"]
    assert data == {f"k{number}": "x" for number in range(PATCHES)}


async def test_a_list_goes_on_after_compaction(apiserver: Any) -> None:
    path = path_of("default")
    async with apiserver.client() as client:
        for name in "abcde":
            assert (await client.post(path, json=config_map(name))).status_code == 201
        first = (await client.get(path, params={"limit": "2"})).json()
        token = first["metadata"]["continue"]
        assert first["metadata"]["remainingItemCount"] == 3
        made = await client.post(path, json=config_map("cc"))
        newest = int(made.json()["metadata"]["resourceVersion"])
        query = {"limit": "2", "continue": token}
        stable = (await client.get(path, params=query)).json()
        assert [item["metadata"]["name"] for item in stable["items"]] == ["c", "d"]
        storage = EtcdStorage([apiserver.etcd.url])
        await storage.compact(newest)
        await storage.close()
        gone = await client.get(path, params=query)
        assert gone.status_code == 410
        status = gone.json()
        assert status["reason"] == "Expired"
        query["continue"] = status["metadata"]["continue"]
        rest = (await client.get(path, params=query)).json()
        assert [item["metadata"]["name"] for item in rest["items"]] == ["c", "cc"]
        query["continue"] = rest["metadata"]["continue"]
        last = (await client.get(path, params=query)).json()
        assert [item["metadata"]["name"] for item in last["items"]] == ["d", "e"]


async def test_a_bookmark_says_that_all_that_was_written_has_come(
    etcd: Any, make_apiserver: Callable[..., Any]
) -> None:
    """Asked of one server right after another one wrote it."""
    writer, reader = make_apiserver(), make_apiserver()
    async with writer.client() as one, reader.client() as two:
        for count in range(20):
            since = (await two.get(path_of())).json()["metadata"]["resourceVersion"]
            made = await one.post(path_of("default"), json=config_map(f"c{count}"))
            assert made.status_code == 201, made.text
            query = {
                "watch": "1", "resourceVersion": since, "allowWatchBookmarks": "true",
                "progressNotify": "true",
            }  # fmt: skip
            seen: list[str] = []
            async with two.stream("GET", path_of(), params=query) as answer:
                async for line in answer.aiter_lines():
                    event = json.loads(line)
                    if event["type"] == "BOOKMARK":
                        break
                    seen.append(event["object"]["metadata"]["name"])
            assert seen == [f"c{count}"]
