"""A cluster in a folder of its own."""

from __future__ import annotations

from apiserver.storage.interface import Change
from apiserver.storage.memory import MemoryStorage
from apiserver.storage.prefixed import PrefixedStorage


async def test_two_clusters_share_revisions_and_nothing_else() -> None:
    real = MemoryStorage()
    ours, theirs = PrefixedStorage(real, "/ours"), real
    first = await ours.create(b"/registry/pods/a", b"1")
    second = await theirs.create(b"/registry/pods/a", b"2")
    third = await ours.create(b"compact_rev_key", b"3")
    assert await real.get(b"/ours/pods/a") == (b"/ours/pods/a", b"1", first)
    assert await ours.get(b"/registry/pods/a") == (b"/registry/pods/a", b"1", first)
    page = await ours.range(b"/registry/", b"/registry0")
    assert [entry.key for entry in page.entries] == [b"/registry/pods/a"]
    assert page.revision == third
    seen: list[Change] = []
    async for batch in ours.watch(after=0):
        seen += batch
        if len(seen) == 3:
            break
    assert seen == [
        (b"/registry/pods/a", b"1", first),
        (b"\0/registry/pods/a", b"2", second),
        (b"compact_rev_key", b"3", third),
    ]
    assert await ours.delete(b"/registry/pods/a", expected=first) > third
    assert await theirs.get(b"/registry/pods/a") is not None
