"""The handlers over the in-memory store: what each verb answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from apiserver.handlers.resource import ResourceHandlers
from apiserver.registry.store import Registry
from apiserver.registry.strategies import STRATEGIES
from apiserver.request import RequestContext, RequestInfo, Response, User
from apiserver.storage.cache import WatchCache
from apiserver.storage.memory import MemoryStorage
from wherry.api.errors import ApiError
from wherry.api.scheme import BY_PLURAL, Resource

CONFIGMAPS = BY_PLURAL["", "v1", "configmaps"]
NAMESPACES = BY_PLURAL["", "v1", "namespaces"]
PODS = BY_PLURAL["", "v1", "pods"]
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class AllowAll:
    def admit(self, attributes: object) -> None:
        """Allows."""

    def validate(self, attributes: object) -> None:
        """Allows."""


class Server:
    """Handlers without HTTP."""

    def __init__(self, storage: MemoryStorage, cache: WatchCache) -> None:
        self.storage = storage
        self.cache = cache
        self.registry = Registry(storage, cache, STRATEGIES, AllowAll())
        self.handlers = ResourceHandlers(self.registry, storage)

    async def ask(
        self,
        verb: str,
        resource: Resource = CONFIGMAPS,
        name: str = "",
        body: Any = None,
        *,
        namespace: str = "default",
        subresource: str = "",
        content_type: str = "application/json",
        accept: str = "application/json",
        **query: str,
    ) -> Response:
        namespace = namespace if resource.namespaced else ""
        info = RequestInfo(verb, "/", resource, namespace, name, subresource)
        ctx = RequestContext(
            info, User("test"), query, accept, content_type, "test/1", NOW
        )  # fmt: skip
        data = body if isinstance(body, bytes) else orjson.dumps(body) if body is not None else b""

        async def receive() -> bytes:
            return data

        return await self.handlers.handle(ctx, receive)

    async def tree(self, *arguments: Any, **keywords: Any) -> dict[str, Any]:
        response = await self.ask(*arguments, **keywords)
        return orjson.loads(await read(response))


async def read(response: Response) -> bytes:
    if isinstance(response.body, bytes):
        return response.body
    return b"".join([chunk async for chunk in response.body])


async def lines(response: Response, count: int) -> list[dict[str, Any]]:
    """The first lines of a watch."""
    assert not isinstance(response.body, bytes)
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(60):
        async for chunk in response.body:
            found += [orjson.loads(line) for line in chunk.splitlines()]
            if len(found) >= count:
                break
    await response.body.aclose()  # type: ignore[attr-defined]
    return found


@asynccontextmanager
async def running() -> AsyncIterator[Server]:
    storage = MemoryStorage()
    fields = {r: s.selectable_fields for r, s in STRATEGIES.items()}
    cache = WatchCache(storage, STRATEGIES, fields)
    task = asyncio.get_running_loop().create_task(cache.run())
    async with asyncio.timeout(60):
        await cache.ready.wait()
    try:
        yield Server(storage, cache)
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with running() as found:
        yield found


def config(name: str, data: dict[str, str] | None = None, **metadata: Any) -> dict[str, Any]:
    return {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": name, **metadata},
        "data": data or {"a": "1"},
    }


def pod(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "i:1"}], **spec},
    }


async def test_create_get_update_delete(server: Server) -> None:
    response = await server.ask("create", body=config("a"))
    assert response.status == 201
    made = orjson.loads(await read(response))
    metadata = made["metadata"]
    assert list(made)[:2] == ["kind", "apiVersion"]
    assert metadata["namespace"] == "default"
    assert metadata["creationTimestamp"] == "2026-01-02T03:04:05Z"
    assert metadata["uid"]
    assert int(metadata["resourceVersion"]) > 1
    assert metadata["managedFields"][0]["manager"] == "test"

    assert await server.tree("get", name="a") == made
    made["data"] = {"a": "2"}
    changed = await server.tree("update", name="a", body=made)
    assert changed["data"] == {"a": "2"}
    assert int(changed["metadata"]["resourceVersion"]) > int(metadata["resourceVersion"])

    status = await server.tree("delete", name="a")
    assert (status["kind"], status["status"]) == ("Status", "Success")
    assert status["details"] == {"name": "a", "kind": "configmaps", "uid": metadata["uid"]}
    with pytest.raises(ApiError, match='configmaps "a" not found'):
        await server.ask("get", name="a")


@pytest.mark.parametrize(
    ("verb", "name", "body", "code", "message"),
    [
        pytest.param("create", "", config("x", namespace="other"), 400,
                     "the namespace of the provided object", id="other namespace"),
        pytest.param("update", "other", config("x"), 400, "the name of the object", id="other name"),
        pytest.param("create", "", config("here"), 409, "already exists", id="exists"),
        pytest.param("update", "missing", config("missing"), 404, "not found", id="missing"),
        pytest.param("update", "here", config("here", resourceVersion="1"), 409,
                     "the object has been modified", id="conflict"),
        pytest.param("update", "here", config("here", uid="other"), 409, "UID", id="other uid"),
        pytest.param("create", "", b"{", 400, "", id="no json"),
        pytest.param("create", "", config("Not Valid"), 422, "metadata.name", id="invalid name"),
        pytest.param("get", "missing", None, 404, "not found", id="get missing"),
        pytest.param("delete", "missing", None, 404, "not found", id="delete missing"),
    ],
)  # fmt: skip
async def test_refusals(
    server: Server, verb: str, name: str, body: Any, code: int, message: str
) -> None:
    await server.ask("create", body=config("here"))
    with pytest.raises(ApiError) as refusal:
        await server.ask(verb, name=name, body=body)
    assert refusal.value.code == code
    assert message in refusal.value.message


async def test_no_op_update_writes_nothing(server: Server) -> None:
    made = await server.tree("create", body=config("a"))
    before = await server.storage.revision()
    again = await server.tree("update", name="a", body=made)
    assert again == made
    patched = await server.tree(
        "patch", name="a", body={"data": {"a": "1"}}, content_type="application/merge-patch+json"
    )
    assert patched == made
    assert await server.storage.revision() == before


@pytest.mark.parametrize(
    ("content_type", "patch"),
    [
        ("application/merge-patch+json", {"data": {"a": None, "b": "2"}}),
        ("application/strategic-merge-patch+json", {"data": {"a": None, "b": "2"}}),
        (
            "application/json-patch+json",
            [{"op": "remove", "path": "/data/a"}, {"op": "add", "path": "/data/b", "value": "2"}],
        ),
    ],
)
async def test_patches(server: Server, content_type: str, patch: Any) -> None:
    await server.ask("create", body=config("a"))
    tree = await server.tree("patch", name="a", body=patch, content_type=content_type)
    assert tree["data"] == {"b": "2"}


async def test_patch_with_stale_resource_version(server: Server) -> None:
    await server.ask("create", body=config("a"))
    patch = {"metadata": {"resourceVersion": "1"}, "data": {"b": "2"}}
    with pytest.raises(ApiError) as refusal:
        await server.ask("patch", name="a", body=patch, content_type="application/merge-patch+json")
    assert refusal.value.code == 409


async def test_dry_run_stores_nothing(server: Server) -> None:
    made = await server.tree("create", body=config("a"), dryRun="All")
    assert "resourceVersion" not in made["metadata"]
    assert await server.storage.revision() == 1
    await server.ask("create", body=config("a"))
    before = await server.storage.revision()
    changed = await server.tree("update", name="a", body=config("a", {"z": "1"}), dryRun="All")
    assert changed["data"] == {"z": "1"}
    await server.ask("delete", name="a", dryRun="All")
    assert await server.storage.revision() == before


async def test_generate_name(server: Server) -> None:
    body = config("", generateName="gen-")
    names = {(await server.tree("create", body=body))["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("gen-") and len(name) == 9 for name in names)


async def test_list_pages_stay_on_one_state(server: Server) -> None:
    for name in ("c", "a", "b"):
        await server.ask("create", body=config(name))
    first = await server.tree("list", limit="2")
    assert [item["metadata"]["name"] for item in first["items"]] == ["a", "b"]
    assert first["metadata"]["remainingItemCount"] == 1
    assert "kind" not in first["items"][0]
    await server.ask("delete", name="c")
    await server.ask("create", body=config("bb"))
    token = first["metadata"]["continue"]
    rest = await server.tree("list", limit="2", **{"continue": token})
    assert [item["metadata"]["name"] for item in rest["items"]] == ["c"]
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]

    await server.ask("list")  # until the cache has moved on, it still shows the first page's state
    await server.storage.compact(await server.storage.revision())
    with pytest.raises(ApiError) as refusal:
        await server.ask("list", limit="2", **{"continue": token})
    assert (refusal.value.code, refusal.value.reason) == (410, "Expired")
    token = refusal.value.status["metadata"]["continue"]
    rest = await server.tree("list", limit="2", **{"continue": token})
    assert [item["metadata"]["name"] for item in rest["items"]] == ["bb"]


async def test_list_selectors_and_revisions(server: Server) -> None:
    await server.ask("create", body=config("a", labels={"app": "x"}))
    second = await server.tree("create", body=config("b", labels={"app": "y"}))
    listed = await server.tree("list", labelSelector="app in (y)")
    assert [item["metadata"]["name"] for item in listed["items"]] == ["b"]
    listed = await server.tree("list", fieldSelector="metadata.name!=b")
    assert [item["metadata"]["name"] for item in listed["items"]] == ["a"]
    old = str(int(second["metadata"]["resourceVersion"]) - 1)
    listed = await server.tree("list", resourceVersion=old, resourceVersionMatch="Exact")
    assert [item["metadata"]["name"] for item in listed["items"]] == ["a"]
    with pytest.raises(ApiError, match="Too large resource version") as refusal:
        await server.ask("list", resourceVersion="999999")
    assert refusal.value.causes[0]["reason"] == "ResourceVersionTooLarge"


async def test_list_of_many_chunks(server: Server) -> None:
    big = {"a": "x" * 300_000}
    for index in range(8):
        await server.ask("create", body=config(f"n{index}", big))
    listed = await server.tree("list")
    assert [item["metadata"]["name"] for item in listed["items"]] == [f"n{i}" for i in range(8)]


async def test_watch_from_a_revision(server: Server) -> None:
    first = await server.tree("create", body=config("a", labels={"app": "x"}))
    await server.ask("update", name="a", body=config("a", labels={"app": "y"}))
    since = first["metadata"]["resourceVersion"]
    plain = await server.ask("watch", resourceVersion=since)
    [event] = await lines(plain, 1)
    assert (event["type"], event["object"]["metadata"]["labels"]) == ("MODIFIED", {"app": "y"})
    selected = await server.ask("watch", resourceVersion=since, labelSelector="app=x")
    [event] = await lines(selected, 1)
    assert (event["type"], event["object"]["metadata"]["labels"]) == ("DELETED", {"app": "x"})
    assert int(event["object"]["metadata"]["resourceVersion"]) == int(since) + 1
    selected = await server.ask("watch", resourceVersion=since, labelSelector="app=y")
    [event] = await lines(selected, 1)
    assert event["type"] == "ADDED"


async def test_a_watch_from_a_state_that_is_yet_to_come(server: Server) -> None:
    """What happens before that state is not told, as the client has seen it elsewhere."""
    first = await server.tree("create", body=config("a"))
    since = int(first["metadata"]["resourceVersion"]) + 2
    watch = await server.ask("watch", resourceVersion=str(since))
    names = ("early", "just", "later", "last")
    reading = asyncio.get_running_loop().create_task(lines(watch, 2))
    for name in names:
        await server.ask("create", body=config(name))
    events = await reading
    assert [event["object"]["metadata"]["name"] for event in events] == ["later", "last"]
    assert server.cache.watcher_count() == 0


async def test_a_watch_from_a_state_that_never_comes_ends_in_time(server: Server) -> None:
    watch = await server.ask("watch", resourceVersion="999999", timeoutSeconds="1")
    assert await lines(watch, 1) == []


async def test_a_streaming_list_of_a_state_that_is_yet_to_come(server: Server) -> None:
    watch = await server.ask(
        "watch", sendInitialEvents="true", resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true", resourceVersion="999999",
    )  # fmt: skip
    [event] = await lines(watch, 1)
    assert (event["type"], event["object"]["code"]) == ("ERROR", 504)
    assert event["object"]["reason"] == "Timeout"
    assert event["object"]["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


async def test_watch_follows_and_ends(server: Server) -> None:
    watch = await server.ask("watch", timeoutSeconds="1", allowWatchBookmarks="true")
    made = await server.tree("create", body=config("a"))
    events = await lines(watch, 2)
    assert [event["type"] for event in events] == ["ADDED", "BOOKMARK"]
    assert events[0]["object"] == made
    assert server.cache.watcher_count() == 0


async def test_streaming_list(server: Server) -> None:
    await server.ask("create", body=config("a"))
    watch = await server.ask(
        "watch", sendInitialEvents="true", resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true",
    )  # fmt: skip
    events = await lines(watch, 2)
    assert [event["type"] for event in events] == ["ADDED", "BOOKMARK"]
    annotations = events[1]["object"]["metadata"]["annotations"]
    assert annotations == {"k8s.io/initial-events-end": "true"}


async def test_watch_too_old(server: Server) -> None:
    for name in "abc":
        await server.ask("create", body=config(name))
    await server.ask("list")
    server.cache.window(CONFIGMAPS).reset(4)
    watch = await server.ask("watch", resourceVersion="3")
    [event] = await lines(watch, 1)
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
    assert event["object"]["reason"] == "Expired"


async def test_table_and_partial_forms(server: Server) -> None:
    await server.ask("create", body=config("a"))
    table = await server.tree(
        "list", accept="application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    )
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [row["cells"][0] for row in table["rows"]] == ["a"]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    partial = await server.tree(
        "get", name="a", accept="application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    )
    assert partial["kind"] == "PartialObjectMetadata"
    assert "data" not in partial
    with pytest.raises(ApiError) as refusal:
        await server.ask("get", name="a", accept="application/xml")
    assert refusal.value.code == 406


PARTIAL = "application/json;as=PartialObjectMetadata{};v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("verb", "resource", "name", "form", "words"),
    [
        ("list", CONFIGMAPS, "", "", ", but the requested object is a list (*core.ConfigMapList)"),
        ("get", CONFIGMAPS, "a", "List",
         "List, but the requested object is not a list (*core.ConfigMap)"),
    ],
)  # fmt: skip
async def test_metadata_of_one_are_not_metadata_of_many(
    server: Server, verb: str, resource: Resource, name: str, form: str, words: str
) -> None:
    await server.ask("create", body=config("a"))
    with pytest.raises(ApiError) as refusal:
        await server.ask(verb, resource, name, accept=PARTIAL.format(form))
    assert (refusal.value.code, refusal.value.reason) == (406, "NotAcceptable")
    assert refusal.value.message == f"you requested PartialObjectMetadata{words}"


async def test_nothing_is_stored_for_an_answer_in_no_form(server: Server) -> None:
    with pytest.raises(ApiError) as refusal:
        await server.ask("create", body=config("a"), accept="text/html")
    assert refusal.value.code == 406
    assert (await server.tree("list"))["items"] == []


async def test_finalizers_hold_an_object(server: Server) -> None:
    await server.ask("create", body=config("a", finalizers=["example.com/x"]))
    held = await server.tree("delete", name="a")
    assert held["metadata"]["deletionTimestamp"] == "2026-01-02T03:04:05Z"
    assert held["metadata"]["deletionGracePeriodSeconds"] == 0
    gone = await server.tree(
        "patch", name="a", body={"metadata": {"finalizers": None}},
        content_type="application/merge-patch+json",
    )  # fmt: skip
    assert "finalizers" not in gone["metadata"]
    with pytest.raises(ApiError):
        await server.ask("get", name="a")


async def test_orphan_adds_a_finalizer(server: Server) -> None:
    await server.ask("create", body=config("a"))
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Orphan"}
    held = await server.tree("delete", name="a", body=options)
    assert held["metadata"]["finalizers"] == ["orphan"]


async def test_delete_preconditions(server: Server) -> None:
    await server.ask("create", body=config("a"))
    with pytest.raises(ApiError) as refusal:
        await server.ask("delete", name="a", body={"preconditions": {"uid": "other"}})
    assert refusal.value.code == 409


async def test_pod_grace_period(server: Server) -> None:
    await server.ask("create", PODS, body=pod("free"))
    gone = await server.tree("delete", PODS, "free")
    assert gone["kind"] == "Pod"
    with pytest.raises(ApiError):
        await server.ask("get", PODS, "free")

    await server.ask("create", PODS, body=pod("bound", nodeName="n1"))
    marked = await server.tree("delete", PODS, "bound")
    assert marked["metadata"]["deletionTimestamp"] == "2026-01-02T03:04:35Z"
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
    again = await server.tree("delete", PODS, "bound")
    assert again == marked
    shorter = await server.tree("delete", PODS, "bound", gracePeriodSeconds="10")
    assert shorter["metadata"]["deletionTimestamp"] == "2026-01-02T03:04:15Z"
    await server.ask("delete", PODS, "bound", gracePeriodSeconds="0")
    with pytest.raises(ApiError):
        await server.ask("get", PODS, "bound")


async def test_namespace_is_finalized(server: Server) -> None:
    body = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "n"}}
    await server.ask("create", NAMESPACES, body=body)
    going = await server.tree("delete", NAMESPACES, "n")
    assert going["status"]["phase"] == "Terminating"
    assert going["spec"]["finalizers"] == ["kubernetes"]
    going["spec"]["finalizers"] = []
    await server.ask("update", NAMESPACES, "n", body=going, subresource="finalize")
    with pytest.raises(ApiError):
        await server.ask("get", NAMESPACES, "n")


async def test_delete_collection(server: Server) -> None:
    for index in range(50):
        await server.ask("create", body=config(f"c{index}", labels={"half": str(index % 2)}))
    answer = await server.tree("deletecollection", labelSelector="half=1")
    assert answer["kind"] == "ConfigMapList"
    assert len(answer["items"]) == 25
    assert len((await server.tree("list"))["items"]) == 25


async def test_preconditions_hold_for_each_of_a_collection(server: Server) -> None:
    for name in ("a", "b"):
        await server.ask("create", body=config(name))
    a = (await server.tree("get", name="a"))["metadata"]["uid"]
    body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": a}}
    with pytest.raises(ApiError, match="UID in precondition") as refused:
        await server.ask("deletecollection", body=body)
    assert refused.value.code == 409
    assert await server.tree("get", name="b")


async def test_scale(server: Server) -> None:
    deployments = BY_PLURAL["apps", "v1", "deployments"]
    body = {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": "d"},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod("x")["spec"]},
        },
    }
    await server.ask("create", deployments, body=body)
    scale = await server.tree("get", deployments, "d", subresource="scale")
    assert scale["spec"] == {"replicas": 1}
    assert scale["status"]["selector"] == "a=b"
    scale["spec"]["replicas"] = 3
    scaled = await server.tree("update", deployments, "d", body=scale, subresource="scale")
    assert scaled["spec"] == {"replicas": 3}
    patched = await server.tree(
        "patch", deployments, "d", body={"spec": {"replicas": 0}}, subresource="scale",
        content_type="application/merge-patch+json",
    )  # fmt: skip
    assert patched["spec"] == {}
    found = await server.tree("get", deployments, "d")
    assert found["spec"]["replicas"] == 0
    assert found["metadata"]["generation"] == 3


async def test_concurrent_patches_all_land(server: Server) -> None:
    await server.ask("create", body=config("a", {}))

    async def put(index: int) -> None:
        await server.ask(
            "patch", name="a", body={"data": {f"k{index}": "v"}},
            content_type="application/merge-patch+json",
        )  # fmt: skip

    async with asyncio.TaskGroup() as group:
        for index in range(10):
            group.create_task(put(index))
    found = await server.tree("get", name="a")
    assert len([key for key in found["data"] if key.startswith("k")]) == 10
