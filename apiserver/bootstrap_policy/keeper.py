"""Makes the default roles and bindings when the API server starts, and adds what they lack.

Where nothing is missing this reads memory and writes nothing.

Source: pkg/registry/rbac/rest/storage_rbac.go (the hook rbac/bootstrap-roles).
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import Any, Final

from apiserver.bootstrap_policy import policy
from apiserver.bootstrap_policy.reconcile import Keep, Recreate, Update, reconciled
from apiserver.registry.deletion import DeleteOptions
from apiserver.registry.store import Registry
from apiserver.request import RequestContext, RequestInfo, User
from wherry.api.errors import ApiError
from wherry.api.scheme import Resource
from wherry.daemon.backoff import Backoff
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

WRITES_AT_ONCE_MAX: Final = 32
ATTEMPTS_MAX: Final = 5  # at one object, against other API servers that start too
USER: Final = User("system:apiserver", groups=("system:masters", "system:authenticated"))

Tree = dict[str, Any]


class DefaultRoles:
    """`done` is set once they are all there."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self.done = asyncio.Event()
        self._registry = registry
        self._clock = clock
        self._free = asyncio.Semaphore(WRITES_AT_ONCE_MAX)

    async def run(self, namespaces: asyncio.Event) -> None:
        """Make them once their namespaces are there. What fails is tried again."""
        await namespaces.wait()
        backoff = Backoff(initial=0.1, maximum=5.0)
        while not await self._make_all():
            await self._clock.sleep(backoff.next())
        self.done.set()

    async def _make_all(self) -> bool:
        lacking = [each for each in policy.objects() if self._lacks(*each)]
        made = True
        try:
            async with asyncio.TaskGroup() as group:
                for resource, tree in lacking:
                    group.create_task(self._keep(resource, tree))
        except* ApiError as errors:
            log.warning("making the default roles: %s", errors.exceptions[0])
            made = False
        return made

    def _found(self, resource: Resource, tree: Tree) -> Any:
        metadata = tree["metadata"]
        lister = self._registry.cache.lister()
        return lister.get(resource, metadata.get("namespace", ""), metadata["name"])

    def _lacks(self, resource: Resource, tree: Tree) -> bool:
        found = self._found(resource, tree)
        return found is None or not isinstance(reconciled(found, tree), Keep)

    async def _keep(self, resource: Resource, tree: Tree) -> None:
        """Make one of them as it must be. ApiError when the store is away."""
        async with self._free:
            for _ in range(ATTEMPTS_MAX):
                try:
                    await self._step(resource, tree)
                except ApiError as error:
                    if error.reason in ("AlreadyExists", "NotFound", "Conflict"):
                        await self._registry.fresh()
                        continue
                    if error.code >= 500:
                        raise
                    log.error("making %s %s: %s", resource.kind, tree["metadata"]["name"], error)
                return

    async def _step(self, resource: Resource, tree: Tree) -> None:
        found = self._found(resource, tree)
        metadata = tree["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        step = Recreate() if found is None else reconciled(found, tree)
        if isinstance(step, Recreate):
            if found is not None:
                log.warning("%s %s names another role: it is made anew", resource.kind, name)
                options = DeleteOptions(uid=found["metadata"]["uid"])
                ctx = self._context("delete", resource)
                await self._registry.delete(resource, namespace, name, ctx, options)
            await self._registry.create(resource, tree, self._context("create", resource))
        elif isinstance(step, Update):
            log.info("%s %s lacks something: it is added", resource.kind, name)
            ctx = self._context("update", resource)
            await self._registry.update(resource, namespace, name, _completing(tree), ctx)

    def _context(self, verb: str, resource: Resource) -> RequestContext:
        now: datetime = self._clock.now()
        return RequestContext(
            RequestInfo(verb, "", resource), USER, {}, "", "", "kube-apiserver", now
        )


def _completing(default: Tree) -> Any:
    def mutate(found: Tree) -> None:
        step = reconciled(found, default)
        if isinstance(step, Update):
            found.clear()
            found.update(step.tree)

    return mutate
