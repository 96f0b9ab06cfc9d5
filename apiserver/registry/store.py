"""The one implementation of create, update and delete for every stored kind.

It owns the order of events; kinds only answer through their `Strategy`, and `pipeline.py` decides
without waiting. Changes start from the cached object, optimistically: the store's transaction on the
object's revision catches a stale one, and whatever would *not* be written (nothing to do, a refusal,
not found) is decided again on a fresh read before it is answered. Each transaction writes one object.

Source: k8s.io/apiserver/pkg/registry/generic/registry/store.go.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from apiserver.codec.decode import decode_tree
from apiserver.registry import deletion
from apiserver.registry.decisions import Decide, Decision, Found, Nothing, Put, Remove, found_in
from apiserver.registry.deletion import DeleteOptions, Mark, Pending, Plan
from apiserver.registry.failures import FAILURES, api_error
from apiserver.registry.holdings import SERVICES, AddressTaken, Holdings, gained
from apiserver.registry.leases import Leases
from apiserver.registry.pipeline import (
    Admission,
    Write,
    is_same,
    prepare_create,
    prepare_update,
)
from apiserver.registry.quota import Quota, Unlimited
from apiserver.registry.strategy import Strategy, Tree
from apiserver.request import RequestContext
from apiserver.storage.cache import CacheBehind, WatchCache
from apiserver.storage.encoder import decode_item, encode, item_of
from apiserver.storage.interface import (
    KeyExists,
    KeyMissing,
    OutcomeUnknown,
    RevisionConflict,
    Storage,
    StorageError,
)
from apiserver.storage.keys import key_of
from apiserver.storage.window import Cached
from wherry.api.errors import (
    ApiError,
    already_exists,
    conflict,
    not_found,
    status_error,
)
from wherry.api.names import new_uid
from wherry.api.patch import copy_tree
from wherry.api.scheme import Resource
from wherry.daemon.clock import Clock, SystemClock

EVENT_SECONDS = 3600  # upstream's --event-ttl
CHANGE_ATTEMPTS_MAX = 20  # of one change, against others who change the same object
NAME_ATTEMPTS_MAX = 8  # of generated names
# Kinds that admission and others look up in memory right after they were made.
_SEEN_BEFORE_ANSWERED = frozenset(
    (
        "namespaces", "serviceaccounts", "priorityclasses", "services", "storageclasses",
        "runtimeclasses", "ingressclasses", "resourcequotas", "limitranges",
    )
)  # fmt: skip

Make = Callable[[Mapping[str, Any] | None], Tree]


class Outcome(NamedTuple):
    """A write that was done. `item` is the object as an item of a list; `created` for 201.

    `removed` says that the object is gone (a deletion that had nothing to wait for).
    """

    item: bytes
    created: bool = False
    removed: bool = False


class Registry:
    """Reads and writes objects of all stored kinds."""

    def __init__(
        self,
        storage: Storage,
        cache: WatchCache,
        strategies: Mapping[Resource, Strategy],
        admission: Admission,
        *,
        clock: Clock | None = None,
        event_seconds: int = EVENT_SECONDS,
    ) -> None:
        self.cache = cache
        self.strategies = strategies
        self.quota: Quota = Unlimited()
        self.holdings = Holdings(storage, cache)
        self._storage = storage
        self._admission = admission
        self._event_leases = Leases(storage, event_seconds, clock or SystemClock())
        self._allocating = asyncio.Lock()

    # --- for handlers and subresources, on trees ---

    def get(self, resource: Resource, namespace: str, name: str) -> Mapping[str, Any]:
        """An object as the cache knows it now, shared: never change it. ApiError 404."""
        cached = self.cache.window(resource).get(namespace, name)
        if cached is None:
            raise not_found(resource.qualified_name, name)
        return self.cache.tree(resource, cached)

    async def read(self, resource: Resource, namespace: str, name: str) -> Cached:
        """An object in a state not older than this call. ApiError 404, 503, 504."""
        await self.fresh()
        cached = self.cache.window(resource).get(namespace, name)
        if cached is None:
            raise not_found(resource.qualified_name, name)
        return cached

    async def fresh(self) -> None:
        """Let the cache see everything that was written before this call. ApiError 503, 504."""
        try:
            await self.cache.fresh()
        except FAILURES as error:
            raise api_error(error) from error

    async def create(self, resource: Resource, tree: Tree, ctx: RequestContext) -> Tree:
        """Store a new object, as if a client had posted this tree."""
        namespace = tree.get("metadata", {}).get("namespace", "") if resource.namespaced else ""
        outcome = await self.create_object(
            ctx,
            resource,
            namespace,
            lambda _: decode_tree(resource.model, copy_tree(tree), "Strict").tree,
            dry_run=ctx.dry_run,
        )
        return decode_item(outcome.item, resource.gvk)

    async def update(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        mutate: Callable[[Tree], None],
        ctx: RequestContext,
        subresource: str = "",
    ) -> Tree:
        """Change an object by a function on its tree, which may be called more than once."""

        def make(old: Mapping[str, Any] | None) -> Tree:
            tree: Tree = copy_tree(old)
            mutate(tree)
            return tree

        outcome = await self.change_object(
            ctx, resource, namespace, name, make, subresource=subresource, dry_run=ctx.dry_run
        )
        return decode_item(outcome.item, resource.gvk)

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        ctx: RequestContext,
        options: DeleteOptions | None = None,
    ) -> Tree:
        """Delete an object; its last or marked state."""
        outcome = await self.delete_object(ctx, resource, namespace, name, options)
        return decode_item(outcome.item, resource.gvk)

    # --- the three writes ---

    async def create_object(
        self,
        ctx: RequestContext,
        resource: Resource,
        namespace: str,
        make: Make,
        *,
        dry_run: bool,
        applies: bool = False,
    ) -> Outcome:
        """Store a new object. `make` gives its decoded tree, anew each time it is called."""
        write = self._write(ctx, resource, namespace, "", "", dry_run=dry_run, applies=applies)
        try:
            async with self._alone(write):
                return await self._create(write, make)
        except FAILURES as error:
            raise api_error(error) from error

    async def change_object(
        self,
        ctx: RequestContext,
        resource: Resource,
        namespace: str,
        name: str,
        make: Make,
        *,
        subresource: str = "",
        dry_run: bool = False,
        applies: bool = False,
    ) -> Outcome:
        """Change an object. `make` gives the wanted tree from the old one, or refuses.

        `applies`: the change is a server-side apply, which makes the object if it is not there.
        """
        write = self._write(
            ctx, resource, namespace, name, subresource, dry_run=dry_run, applies=applies
        )

        def decide(found: Found) -> Decision:
            tree = make(found.tree)
            prepare_update(write, tree, found.tree)
            if deletion.ends_with_update(resource, tree, found.tree):
                return Remove(tree)
            return Nothing(found.tree) if is_same(tree, found.tree) else Put(tree)

        try:
            async with self._alone(write):
                return await self._change(write, decide)
        except KeyMissing:
            creates = applies or write.strategy.allow_create_on_update
            if subresource or not creates:
                raise not_found(resource.qualified_name, name) from None
        except FAILURES as error:
            raise api_error(error) from error
        return await self.create_object(
            ctx, resource, namespace, make, dry_run=dry_run, applies=applies
        )

    async def delete_object(
        self,
        ctx: RequestContext,
        resource: Resource,
        namespace: str,
        name: str,
        options: DeleteOptions | None = None,
    ) -> Outcome:
        """Delete an object, or mark it to be deleted once nothing waits for it any more."""
        chosen = options or DeleteOptions(dry_run=ctx.dry_run)
        write = self._write(ctx, resource, namespace, name, "", dry_run=chosen.dry_run)

        def decide(found: Found) -> Decision:
            deletion.check_preconditions(resource, found.tree, chosen.uid, chosen.resource_version)
            attributes = write.attributes("DELETE", None, found.tree)
            self._admission.admit(attributes)
            self._admission.validate(attributes)
            plan: Plan = deletion.plan_delete(write.strategy, found.tree, chosen, ctx.now)
            if isinstance(plan, Pending):
                return Nothing(plan.tree)
            return Put(plan.tree) if isinstance(plan, Mark) else Remove(plan.tree)

        try:
            return await self._change(write, decide)
        except KeyMissing:
            raise not_found(resource.qualified_name, name) from None
        except FAILURES as error:
            raise api_error(error) from error

    # --- how ---

    def _write(
        self,
        ctx: RequestContext,
        resource: Resource,
        namespace: str,
        name: str,
        subresource: str,
        *,
        dry_run: bool,
        applies: bool = False,
    ) -> Write:
        strategy = self.strategies[resource]
        others = partial(self._others, resource, namespace, name) if strategy.allocates else tuple
        return Write(
            resource, strategy, self._admission, ctx, namespace, name, subresource, dry_run,
            applies, others,
        )  # fmt: skip

    def _others(self, resource: Resource, namespace: str, name: str) -> list[Mapping[str, Any]]:
        """A kind's objects but one, and what else holds their numbers."""
        found = [
            tree
            for tree in self.cache.lister().list(resource)
            if (tree["metadata"].get("namespace", ""), tree["metadata"]["name"])
            != (namespace, name)
        ]
        return found + self.holdings.others(namespace, name) if resource is SERVICES else found

    def _alone(self, write: Write) -> contextlib.AbstractAsyncContextManager[None]:
        """While a kind hands out numbers, nobody else does, and all that are taken are seen."""
        return self._numbering() if write.strategy.allocates else contextlib.nullcontext()

    @contextlib.asynccontextmanager
    async def _numbering(self) -> AsyncIterator[None]:
        async with self._allocating:
            await self.cache.fresh()
            yield

    async def _create(self, write: Write, make: Make) -> Outcome:
        seen, warned = self.cache.revision, len(write.ctx.warnings)
        try:
            return await self._create_once(write, make)
        except ApiError as error:
            # Refused on what this server has seen: look again before saying so.
            if error.reason not in ("NotFound", "Forbidden"):
                raise
            await self.cache.fresh()
            if self.cache.revision == seen:
                raise
            del write.ctx.warnings[warned:]
            return await self._create_once(write, make)

    async def _create_once(self, write: Write, make: Make) -> Outcome:
        resource = write.resource
        for attempt in range(NAME_ATTEMPTS_MAX):
            tree = make(None)
            metadata = tree.get("metadata", {})
            version = metadata.pop("resourceVersion", "")
            generated = not metadata.get("name")
            named = replace(write, name=metadata.get("name", ""))
            prepare_create(named, tree, new_uid)
            name = tree["metadata"]["name"]
            if version and not write.dry_run:
                message = "resourceVersion should not be set on objects to be created"
                raise status_error("", message, code=500)
            try:
                async with self._charged(named, tree, None):
                    return await self._store_new(named, tree, name)
            except AddressTaken:
                await self.cache.fresh()  # its holder is there now: choose another
            except KeyExists:
                if not generated or attempt == NAME_ATTEMPTS_MAX - 1:
                    raise already_exists(resource.qualified_name, name) from None
        raise conflict(resource.qualified_name, name, "others keep taking its address; try again")

    async def _store_new(self, write: Write, tree: Tree, name: str) -> Outcome:
        resource = write.resource
        if write.dry_run:
            if self.cache.window(resource).get(write.namespace, name) is not None:
                raise KeyExists
            return Outcome(_unversioned(encode(tree)), created=True)
        stored = encode(tree)
        key = key_of(resource, write.namespace, name)
        revision = await self._storage.create(key, stored, lease=await self._lease(resource))
        self.quota.stored(resource, write.namespace, tree, None)
        await self._seen(resource, revision)
        return Outcome(item_of(stored, revision), created=True)

    async def _change(self, write: Write, decide: Decide) -> Outcome:
        """Carry a decision out on the newest state. KeyMissing when there is no object."""
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
                if newer is None:
                    return Outcome(_item(decision.tree, found.revision))
                found = newer
                continue
            try:
                return await self._carry_out(write, decision, found)
            except AddressTaken:
                await self.cache.fresh()
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
        async with self._charged(write, decision.tree, found.tree):
            return await self._commit(write, decision, found)

    @contextlib.asynccontextmanager
    async def _charged(
        self, write: Write, tree: Tree, old: Mapping[str, Any] | None
    ) -> AsyncIterator[None]:
        """What the write uses is taken before it is done, and given back when it was not."""
        attributes = write.attributes("UPDATE" if old else "CREATE", tree, old)
        refund = await self.quota.charge(attributes)
        namespace, name = write.namespace, tree["metadata"]["name"]
        held: list[str] = []
        try:
            if write.resource is SERVICES and not write.dry_run:
                wanted = gained(tree, old)
                held = await self.holdings.hold(namespace, name, wanted, write.ctx.now)
            yield
        except OutcomeUnknown:
            raise
        except (StorageError, AddressTaken):
            refund()
            await self.holdings.release(namespace, name, held)
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
            at = await self._storage.update(key, stored, expected=revision, lease=lease)
        now = None if removed else decision.tree
        if resource is SERVICES:
            lost = gained(found.tree, now)
            await self.holdings.release(write.namespace, write.name, lost)
        self.quota.stored(resource, write.namespace, now, found.tree)
        await self._seen(resource, at)
        return Outcome(item_of(stored, at), removed=removed)

    async def _find(self, write: Write) -> Found:
        """The object as cached; if it is not there, as it is after a fresh look."""
        window = self.cache.window(write.resource)
        cached = window.get(write.namespace, write.name)
        fresh = cached is None
        if cached is None:
            await self.cache.fresh()
            cached = window.get(write.namespace, write.name)
        if cached is None:
            raise KeyMissing
        return Found(self.cache.tree(write.resource, cached), cached.revision, fresh)

    async def _newer(self, write: Write, found: Found) -> Found | None:
        """A fresh state that differs from the one just decided on; None when it was the newest."""
        if found.fresh:
            return None
        await self.cache.fresh()
        cached = self.cache.window(write.resource).get(write.namespace, write.name)
        if cached is None:
            raise KeyMissing
        if cached.revision == found.revision:
            return None
        return Found(self.cache.tree(write.resource, cached), cached.revision, True)

    async def _lease(self, resource: Resource) -> int:
        return await self._event_leases.current() if resource.plural == "events" else 0

    async def _seen(self, resource: Resource, revision: int) -> None:
        if resource.plural in _SEEN_BEFORE_ANSWERED:
            with suppress(CacheBehind):  # it is written all the same
                await self.cache.wait_for(revision)


def _item(tree: Mapping[str, Any], revision: int) -> bytes:
    return item_of(encode(tree), revision)


def _unversioned(stored: bytes) -> bytes:
    """The item form of what has no revision, because a dry run stores nothing."""
    return b"{" + stored[stored.index(b'"metadata":{') :]
