"""Carrying out what was decided about an object: one transaction of the store, and what goes with it.

Changes start from the cached object, optimistically: the store's transaction on the object's revision
catches a stale one, and whatever would *not* be written (nothing to do, a refusal, not found) is
decided again on a fresh read before it is answered. Each transaction writes one object.

Source: GuaranteedUpdate of k8s.io/apiserver/pkg/storage/etcd3/store.go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from apiserver.registry.decisions import Decide, Found, Nothing, Put, Remove, found_in
from apiserver.registry.holdings import SERVICES, AddressTaken, Holdings, gained
from apiserver.registry.leases import Leases
from apiserver.registry.pipeline import Write
from apiserver.registry.quota import Quota, Unlimited
from apiserver.registry.strategy import Tree
from apiserver.registry.turns import Turns
from apiserver.storage.cache import CacheBehind, WatchCache
from apiserver.storage.encoder import encode, item_of
from apiserver.storage.interface import (
    KeyExists,
    KeyMissing,
    OutcomeUnknown,
    RevisionConflict,
    Storage,
    StorageError,
)
from apiserver.storage.keys import key_of
from wherry.api.errors import ApiError, conflict
from wherry.api.scheme import Resource

CHANGE_ATTEMPTS_MAX = 20  # of one change, against others who change the same object
# Kinds that admission and others look up in memory right after they were made.
_SEEN_BEFORE_ANSWERED = frozenset(
    (
        "namespaces", "serviceaccounts", "priorityclasses", "services", "storageclasses",
        "runtimeclasses", "ingressclasses", "resourcequotas", "limitranges",
        # A right that is given or taken counts for the next request.
        "roles", "rolebindings", "clusterroles", "clusterrolebindings",
    )
)  # fmt: skip


# Whether a value in the store should be written anew in any case.
Outdated = Callable[[bytes], bool]


class Outcome(NamedTuple):
    """A write that was done. `item` is the object as an item of a list; `created` for 201.

    `removed` says that the object is gone (a deletion that had nothing to wait for).
    """

    item: bytes
    created: bool = False
    removed: bool = False


class Committer:
    """Writes objects of all stored kinds, each charged to its namespace."""

    def __init__(
        self,
        storage: Storage,
        cache: WatchCache,
        holdings: Holdings,
        leases: Leases,
        outdated: Outdated | None = None,
    ) -> None:
        self.quota: Quota = Unlimited()
        self._storage = storage
        self._cache = cache
        self._holdings = holdings
        self._event_leases = leases
        self._outdated = outdated
        self._turns = Turns()

    async def create(self, write: Write, tree: Tree) -> Outcome:
        """Store a new object. KeyExists, AddressTaken."""
        return await self._charged(write, tree, None, lambda: self._store_new(write, tree))

    async def _store_new(self, write: Write, tree: Tree) -> Outcome:
        resource, name = write.resource, tree["metadata"]["name"]
        if write.dry_run:
            if self._cache.window(resource).get(write.namespace, name) is not None:
                raise KeyExists
            return Outcome(_unversioned(encode(tree)), created=True)
        stored = encode(tree)
        key = key_of(resource, write.namespace, name)
        self._cache.window(resource).expect(write.namespace, name, stored, tree)
        revision = await self._storage.create(key, stored, lease=await self._lease(resource))
        self.quota.stored(resource, write.namespace, tree, None)
        await self._seen(resource, revision)
        return Outcome(item_of(stored, revision), created=True)

    async def change(self, write: Write, decide: Decide) -> Outcome:
        """Carry a decision out on the newest state. KeyMissing when there is no object."""
        async with self._turns.take(key_of(write.resource, write.namespace, write.name)):
            return await self._change(write, decide)

    async def _change(self, write: Write, decide: Decide) -> Outcome:
        found = await self._find(write)
        for _ in range(CHANGE_ATTEMPTS_MAX):
            warned = len(write.ctx.warnings)
            try:
                decision = decide(found)
            except ApiError:
                newer = await self._newer(write, found)
                if newer is None:
                    raise
                found = newer
                del write.ctx.warnings[warned:]
                continue
            if isinstance(decision, Nothing):
                newer = await self._newer(write, found)
                if newer is not None:
                    found = newer
                    continue
                if write.dry_run or not self._is_outdated(write):
                    return Outcome(_item(decision.tree, found.revision))
                decision = Put(dict(decision.tree))
            try:
                return await self._carry_out(write, decision, found)
            except AddressTaken:
                await self._cache.fresh()
                found = await self._find(write)
                del write.ctx.warnings[warned:]
            except RevisionConflict as error:
                found = found_in(write.resource, error.current)
                del write.ctx.warnings[warned:]
        raise conflict(
            write.resource.qualified_name, write.name, "others keep changing it; try again"
        )

    async def _carry_out(self, write: Write, decision: Put | Remove, found: Found) -> Outcome:
        if isinstance(decision, Remove):
            return await self._commit(write, decision, found)
        commit = partial(self._commit, write, decision, found)
        return await self._charged(write, decision.tree, found.tree, commit)

    async def _charged(
        self,
        write: Write,
        tree: Tree,
        old: Mapping[str, Any] | None,
        store: Callable[[], Awaitable[Outcome]],
    ) -> Outcome:
        """What the write uses is taken before it is done, and given back when it was not."""
        attributes = write.attributes("UPDATE" if old else "CREATE", tree, old)
        refund = await self.quota.charge(attributes)
        namespace, name = write.namespace, tree["metadata"]["name"]
        held: list[str] = []
        try:
            if write.resource is SERVICES and not write.dry_run:
                wanted = gained(tree, old)
                held = await self._holdings.hold(namespace, name, wanted, write.ctx.now)
            return await store()
        except OutcomeUnknown:
            raise
        except (StorageError, AddressTaken):
            refund()
            await self._holdings.release(namespace, name, held)
            raise

    async def _commit(self, write: Write, decision: Put | Remove, found: Found) -> Outcome:
        resource, revision = write.resource, found.revision
        key = key_of(resource, write.namespace, write.name)
        stored = encode(decision.tree)
        removed = isinstance(decision, Remove)
        if write.dry_run:
            return Outcome(item_of(stored, revision), removed=removed)
        if removed:
            at = await self._storage.delete(key, expected=revision)
        else:
            lease = await self._lease(resource)
            window = self._cache.window(resource)
            window.expect(write.namespace, write.name, stored, decision.tree)
            at = await self._storage.update(key, stored, expected=revision, lease=lease)
        now = None if removed else decision.tree
        if resource is SERVICES:
            lost = gained(found.tree, now)
            await self._holdings.release(write.namespace, write.name, lost)
        self.quota.stored(resource, write.namespace, now, found.tree)
        await self._seen(resource, at, wanted=self._turns.wanted(key))
        return Outcome(item_of(stored, at), removed=removed)

    def _is_outdated(self, write: Write) -> bool:
        """Whether the stored form must change though the object does not (another key seals it)."""
        key = key_of(write.resource, write.namespace, write.name)
        return self._outdated is not None and self._outdated(key)

    async def _find(self, write: Write) -> Found:
        """The object as cached; if it is not there, as it is after a fresh look."""
        window = self._cache.window(write.resource)
        cached = window.get(write.namespace, write.name)
        fresh = cached is None
        if cached is None:
            await self._cache.fresh()
            cached = window.get(write.namespace, write.name)
        if cached is None:
            raise KeyMissing
        return Found(self._cache.tree(write.resource, cached), cached.revision, fresh)

    async def _newer(self, write: Write, found: Found) -> Found | None:
        """A fresh state that differs from the one just decided on; None when it was the newest."""
        if found.fresh:
            return None
        await self._cache.fresh()
        cached = self._cache.window(write.resource).get(write.namespace, write.name)
        if cached is None:
            raise KeyMissing
        if cached.revision == found.revision:
            return None
        return Found(self._cache.tree(write.resource, cached), cached.revision, True)

    async def _lease(self, resource: Resource) -> int:
        return await self._event_leases.current() if resource.plural == "events" else 0

    async def _seen(self, resource: Resource, revision: int, *, wanted: bool = False) -> None:
        """Wait until memory has the write, where the next to ask (or `wanted`: to change) needs it."""
        if wanted or resource.plural in _SEEN_BEFORE_ANSWERED:
            with suppress(CacheBehind):  # it is written all the same
                await self._cache.wait_for(revision)


def _item(tree: Mapping[str, Any], revision: int) -> bytes:
    return item_of(encode(tree), revision)


def _unversioned(stored: bytes) -> bytes:
    """The item form of what has no revision, because a dry run stores nothing."""
    return b"{" + stored[stored.index(b'"metadata":{') :]
