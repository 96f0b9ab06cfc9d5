"""The sealing store over one in memory: what lies there, what comes back, what is outdated."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Sequence

import pytest
import yaml

from apiserver.storage.encryption.config import EncryptionRules, parse_encryption
from apiserver.storage.encryption.storage import EncryptedStorage
from apiserver.storage.interface import Change, Compacted, RevisionConflict
from apiserver.storage.memory import MemoryStorage
from wherry.api.scheme import RESOURCES

SECRET, POD = b"/registry/secrets/default/a", b"/registry/pods/default/a"
ENDPOINTS = b"/registry/services/endpoints/default/a"


def key(number: int) -> dict:
    secret = base64.b64encode(bytes([number]) * 32).decode()
    return {"aesgcm": {"keys": [{"name": f"key{number}", "secret": secret}]}}


PLAIN = {"identity": {}}


def rules(*providers: dict, names: Sequence[str] = ("secrets", "endpoints")) -> EncryptionRules:
    tree = {
        "kind": "EncryptionConfiguration", "apiVersion": "apiserver.config.k8s.io/v1",
        "resources": [{"resources": list(names), "providers": list(providers)}],
    }  # fmt: skip
    return parse_encryption(yaml.safe_dump(tree))


def sealed(below: MemoryStorage, *providers: dict, prefix: str = "/registry") -> EncryptedStorage:
    return EncryptedStorage(below, rules(*providers), RESOURCES, prefix)


async def next_changes(store: EncryptedStorage, after: int) -> list[Change]:
    async with contextlib.aclosing(store.watch(after=after)) as watch:  # type: ignore[type-var]
        return await anext(watch)


async def test_only_configured_resources_are_sealed():
    below = MemoryStorage()
    store = sealed(below, key(1))
    for name in (SECRET, POD, ENDPOINTS, b"/registry/secrets", b"/else"):
        await store.create(name, b"v")
        found = await store.get(name)
        assert found is not None
        assert found.value == b"v"
    stored = {one: (await below.get(one)).value for one in (SECRET, POD, ENDPOINTS)}  # type: ignore[union-attr]
    assert stored[SECRET].startswith(b"k8s:enc:aesgcm:v1:key1:")
    assert stored[ENDPOINTS].startswith(b"k8s:enc:aesgcm:v1:key1:")
    assert stored[POD] == b"v"


async def test_ranges_watches_and_conflicts_are_opened():
    below = MemoryStorage()
    store = sealed(below, key(1))
    first = await store.create(SECRET, b"v1")
    page = await store.range(b"/registry/", b"/registry0")
    assert [entry.value for entry in page.entries] == [b"v1"]
    assert [one.value for one in await next_changes(store, first - 1)] == [b"v1"]
    second = await store.update(SECRET, b"v2", expected=first)
    for attempt in (
        store.update(SECRET, b"v3", expected=first),
        store.delete(SECRET, expected=first),
    ):
        with pytest.raises(RevisionConflict) as caught:
            await attempt
        assert caught.value.current == (SECRET, b"v2", second)


async def test_what_another_key_sealed_is_outdated_until_it_is_written_anew():
    below = MemoryStorage()
    await sealed(below, PLAIN).create(SECRET, b"v")
    store = sealed(below, key(1), PLAIN)
    assert not store.outdated(SECRET)
    found = await store.get(SECRET)
    assert found is not None
    assert store.outdated(SECRET)
    revision = await store.update(SECRET, b"v", expected=found.revision)
    await next_changes(store, found.revision)
    assert not store.outdated(SECRET)

    store.reconfigure(rules(key(2), key(1)))
    found = await store.get(SECRET)
    assert found is not None
    assert (found.value, found.revision) == (b"v", revision)
    assert store.outdated(SECRET)
    await store.delete(SECRET, expected=revision)
    await next_changes(store, revision)
    assert not store.outdated(SECRET)


async def test_a_lost_key_is_named_once_and_takes_nothing_else_down(caplog):
    below = MemoryStorage()
    await sealed(below, key(1)).create(SECRET, b"v")
    store = sealed(below, key(2))
    await store.create(b"/registry/secrets/default/b", b"w")
    for _ in range(2):
        page = await store.range(b"/registry/", b"/registry0")
        assert page.entries[0].value.startswith(b"k8s:enc:")
        assert page.entries[1].value == b"w"
    assert (store.unopened_count, store.outdated_count) == (1, 0)
    assert store.counts["from_storage", "Internal"] == 2
    assert len(caplog.records) == 1
    assert SECRET.decode() in caplog.text


async def test_a_new_configuration_makes_the_cache_read_anew():
    below = MemoryStorage()
    store = sealed(below, key(1))
    revision = await store.create(SECRET, b"v")
    watch = store.watch(after=revision - 1)
    assert (await anext(watch))[0].value == b"v"
    store.reconfigure(rules(key(2), key(1)))
    await store.create(POD, b"v")
    with pytest.raises(Compacted):
        await anext(watch)


async def test_another_folder_of_the_store():
    below = MemoryStorage()
    store = sealed(below, key(1), PLAIN, prefix="/mine")
    await store.create(b"/mine/secrets/default/a", b"v")
    await store.create(SECRET, b"v")
    mine, other = await below.get(b"/mine/secrets/default/a"), await below.get(SECRET)
    assert mine is not None
    assert mine.value.startswith(b"k8s:enc:")
    assert other is not None
    assert other.value == b"v"
    await below.create(b"/mine/secrets/default/b", b"plain")
    await store.get(b"/mine/secrets/default/b")
    assert store.outdated(b"/registry/secrets/default/b"), "asked for by the registry's key"
