"""The one implementation of create, update and delete for every stored kind.

It owns the order of events; kinds only answer through their `Strategy`, `pipeline.py` decides without
waiting, and `committer.py` carries out what was decided.

Source: k8s.io/apiserver/pkg/registry/generic/registry/store.go.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from functools import partial
from typing import Any

from apiserver.codec.decode import decode_tree
from apiserver.registry import deletion
from apiserver.registry.committer import Committer, Outdated
from apiserver.registry.committer import Outcome as Outcome
from apiserver.registry.decisions import Decision, Found, Nothing, Put, Remove
from apiserver.registry.deletion import DeleteOptions, Mark, Pending, Plan
from apiserver.registry.failures import FAILURES, api_error
from apiserver.registry.holdings import AddressTaken, Holdings
from apiserver.registry.leases import Leases
from apiserver.registry.pipeline import (
    Admission,
    Write,
    is_same,
    prepare_create,
    prepare_update,
)
from apiserver.registry.quota import Quota
from apiserver.registry.strategy import Strategy, Tree
from apiserver.request import RequestContext
from apiserver.storage.cache import WatchCache
from apiserver.storage.encoder import decode_item
from apiserver.storage.interface import (
    KeyExists,
    KeyMissing,
    Storage,
)
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
NAME_ATTEMPTS_MAX = 8  # of generated names
Others = Callable[[], Iterable[Mapping[str, Any]]]
Make = Callable[[Mapping[str, Any] | None], Tree]


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
        outdated: Outdated | None = None,
    ) -> None:
        self.cache = cache
        self.strategies = strategies
        self.holdings = Holdings(storage, cache)
        self._admission = admission
        leases = Leases(storage, event_seconds, clock or SystemClock())
        self._committer = Committer(storage, cache, self.holdings, leases, outdated)
        self._allocating = asyncio.Lock()

    @property
    def quota(self) -> Quota:
        """Who counts what namespaces use; nobody unless it is set."""
        return self._committer.quota

    @quota.setter
    def quota(self, quota: Quota) -> None:
        self._committer.quota = quota

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
                return await self._committer.change(write, decide)
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
            return await self._committer.change(write, decide)
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
        others: Others = tuple
        if strategy.allocates:
            others = partial(self.holdings.others, namespace, name, dry_run=dry_run)
        return Write(
            resource, strategy, self._admission, ctx, namespace, name, subresource, dry_run,
            applies, others,
        )  # fmt: skip

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
            write.name = metadata.get("name", "")
            prepare_create(write, tree, new_uid)
            name = tree["metadata"]["name"]
            if version and not write.dry_run:
                message = "resourceVersion should not be set on objects to be created"
                raise status_error("", message, code=500)
            try:
                return await self._committer.create(write, tree)
            except AddressTaken:
                await self.cache.fresh()  # its holder is there now: choose another
            except KeyExists:
                if not generated or attempt == NAME_ATTEMPTS_MAX - 1:
                    raise already_exists(resource.qualified_name, name) from None
        raise conflict(resource.qualified_name, name, "others keep taking its address; try again")
