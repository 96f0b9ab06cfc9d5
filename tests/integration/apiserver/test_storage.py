"""The storage contract, held against both implementations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from apiserver.storage.etcd import EtcdStorage
from apiserver.storage.interface import (
    Change,
    Compacted,
    FutureRevision,
    KeyExists,
    KeyMissing,
    RevisionConflict,
    Storage,
    StorageFull,
    StorageUnavailable,
    ValueTooLarge,
)
from apiserver.storage.memory import MemoryStorage

END = b"\xff"


@pytest.fixture(params=["memory", "etcd"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Storage]:
    if request.param == "memory":
        yield MemoryStorage()
        return
    storage = EtcdStorage([request.getfixturevalue("etcd").url])
    yield storage
    await storage.close()


async def collect(store: Storage, after: int, count: int) -> list[Change]:
    changes: list[Change] = []
    async with asyncio.timeout(60):
        watch = store.watch(after=after)
        async for batch in watch:
            changes += batch
            if len(changes) >= count:
                break
        await watch.aclose()  # type: ignore[attr-defined]
    return changes


async def test_create_get_update_delete(store: Storage) -> None:
    first = await store.create(b"/a", b"1")
    entry = await store.get(b"/a")
    assert entry == (b"/a", b"1", first)
    second = await store.update(b"/a", b"2", expected=first)
    assert second == first + 1
    assert await store.delete(b"/a", expected=second) == second + 1
    assert await store.get(b"/a") is None
    assert await store.revision() == second + 1


async def test_conditions(store: Storage) -> None:
    revision = await store.create(b"/a", b"1")
    with pytest.raises(KeyExists):
        await store.create(b"/a", b"2")
    with pytest.raises(KeyMissing):
        await store.update(b"/b", b"2", expected=revision)
    with pytest.raises(RevisionConflict) as conflict:
        await store.update(b"/a", b"2", expected=revision + 7)
    assert conflict.value.current == (b"/a", b"1", revision)
    with pytest.raises(RevisionConflict):
        await store.delete(b"/a", expected=revision + 7)
    with pytest.raises(KeyMissing):
        await store.delete(b"/b", expected=revision)
    assert await store.revision() == revision


async def test_range_pages_at_one_revision(store: Storage) -> None:
    for name in (b"/r/c", b"/r/a", b"/r/b", b"/s/z"):
        at = await store.create(name, name)
    page = await store.range(b"/r/", b"/r0", limit=2)
    assert [entry.key for entry in page.entries] == [b"/r/a", b"/r/b"]
    assert (page.more, page.remaining, page.revision) == (True, 1, at)
    await store.delete(b"/r/c", expected=at - 3)
    rest = await store.range(b"/r/b\x00", b"/r0", revision=at)
    assert [entry.key for entry in rest.entries] == [b"/r/c"]
    assert rest.more is False
    assert not (await store.range(b"/r/b\x00", b"/r0")).entries


async def test_revision_limits(store: Storage) -> None:
    at = await store.create(b"/a", b"1")
    with pytest.raises(FutureRevision):
        await store.range(b"/", END, revision=at + 100)
    newest = await store.update(b"/a", b"2", expected=at)
    newest = await store.update(b"/a", b"3", expected=newest)
    await store.compact(newest)
    await store.compact(newest)
    with pytest.raises(Compacted):
        await store.range(b"/", END, revision=at)
    with pytest.raises(Compacted):
        await collect(store, at - 1, 1)
    assert (await store.range(b"/", END, revision=newest)).entries[0].value == b"3"


async def test_watch_replays_then_follows(store: Storage) -> None:
    first = await store.create(b"/a", b"1")
    await store.update(b"/a", b"2", expected=first)

    async def later() -> None:
        await store.delete(b"/a", expected=first + 1)
        await store.create(b"/b", b"")

    async with asyncio.TaskGroup() as group:
        watching = group.create_task(collect(store, first, 3))
        group.create_task(later())
    assert watching.result()[:3] == [
        (b"/a", b"2", first + 1),
        (b"/a", None, first + 2),
        (b"/b", b"", first + 3),
    ]


async def test_too_large(store: Storage) -> None:
    with pytest.raises(ValueTooLarge):
        await store.create(b"/big", b"x" * 2_000_000)


async def test_lease_and_status(store: Storage) -> None:
    lease = await store.grant_lease(3600)
    await store.create(b"/leased", b"1", lease=lease)
    assert (await store.status()).version


async def test_watch_ends_by_raising_when_etcd_dies(etcd: Any) -> None:
    storage = EtcdStorage([etcd.url])
    await storage.create(b"/a", b"1")
    watch = storage.watch(after=0)
    assert await anext(watch)
    etcd.kill()
    with pytest.raises(StorageUnavailable):
        async with asyncio.timeout(60):
            await anext(watch)
    await storage.close()


async def test_next_endpoint_answers(etcd: Any) -> None:
    storage = EtcdStorage(["http://127.0.0.1:1", etcd.url])
    assert await storage.revision() >= 1
    assert await storage.create(b"/x", b"1") > 1
    await storage.close()


async def test_a_write_that_was_not_sent_is_sent_to_the_next_endpoint(etcd: Any) -> None:
    storage = EtcdStorage(["http://127.0.0.1:1", "http://127.0.0.1:2", etcd.url])
    assert await storage.create(b"/x", b"1") > 1
    await storage.close()


async def test_a_full_store_refuses_writes_and_still_reads(tiny_etcd: Any) -> None:
    storage = EtcdStorage([tiny_etcd.url])
    await storage.create(b"/small", b"1")

    async def fill() -> None:
        for index in range(20):
            await storage.create(b"/big/%d" % index, b"x" * 1_000_000)

    with pytest.raises(StorageFull):
        await fill()
    assert await storage.get(b"/small") is not None
    assert "NOSPACE" in " ".join((await storage.status()).alarms)
    await storage.close()


async def test_what_made_a_store_full_is_not_called_refused(tiny_etcd: Any) -> None:
    """etcd answers "no space" to the write that fills it, though it carries it out."""
    storage = EtcdStorage([tiny_etcd.url])
    written: dict[bytes, int] = {}
    refused: list[bytes] = []

    async def create(key: bytes) -> None:
        try:
            written[key] = await storage.create(key, key + b"x" * 100_000)
        except StorageFull:
            refused.append(key)

    for turn in range(40):
        await asyncio.gather(*(create(b"/big/%d/%d" % (turn, index)) for index in range(8)))
        if refused:
            break
    assert refused
    found = {entry.key: entry.revision for entry in (await storage.range(b"/", END)).entries}
    assert found == written
    await storage.close()


async def test_a_dead_member_is_left_for_another(etcd_cluster: list[Any]) -> None:
    storage = EtcdStorage([member.url for member in etcd_cluster])
    first = await storage.create(b"/a", b"1")
    watch = storage.watch(after=0)
    assert await anext(watch)
    etcd_cluster[0].kill()
    with pytest.raises(StorageUnavailable):
        async with asyncio.timeout(60):
            await anext(watch)
    async with asyncio.timeout(60):
        written = 0
        while not written:  # the others elect a leader
            try:
                written = await storage.update(b"/a", b"2", expected=first)
            except StorageUnavailable:
                continue
            except RevisionConflict as conflict:  # an unanswered attempt was carried out
                written = conflict.current.revision
    assert await collect(storage, first, 1) == [(b"/a", b"2", written)]
    await storage.close()


async def test_a_member_without_majority_does_not_keep_silent(etcd_cluster: list[Any]) -> None:
    storage = EtcdStorage([etcd_cluster[0].url])
    await storage.create(b"/a", b"1")
    watch = storage.watch(after=0)
    assert await anext(watch)
    etcd_cluster[1].kill()
    etcd_cluster[2].kill()
    with pytest.raises(StorageUnavailable):
        async with asyncio.timeout(60):
            await anext(watch)
    with pytest.raises(StorageUnavailable):
        await storage.revision()
    await storage.close()
