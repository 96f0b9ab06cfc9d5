"""Deletes what a terminating namespace holds, by discovery, and releases the namespace.

Pods go first and everything else waits for them: a pod must not lose its Secrets or its network
policies while it still runs.

Source of the rules: upstream's pkg/controller/namespace/deletion.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from controller_manager.context import Context, keys_of
from controller_manager.discovery import discover, supports
from controller_manager.executor import gone_is_done
from controller_manager.namespace.plan import Outcome, Remaining, needs_work, plan_namespace
from wherry.api.core_v1 import Namespace
from wherry.api.errors import ApiError
from wherry.api.scheme import Resource
from wherry.client.decode import PartialObjectMetadata
from wherry.client.workqueue import WorkQueue

PARALLEL_MAX = 8  # resources of one namespace worked at once
ITEM_DELETES_MAX = 16


class NamespaceController:
    """Watches namespaces for deletion."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client
        self._executor = context.executor("namespace-controller")
        self._namespaces = context.informers.namespaces
        self._pods = context.informers.pods
        self._queue: WorkQueue[str] = WorkQueue("namespace")
        self._namespaces.add_handler(self._on_namespace)

    async def run(self) -> None:
        workers = self._context.options.concurrent_namespace_syncs
        await self._context.work(
            "namespace", self._reconcile, self._queue, workers, keys_of(self._namespaces)
        )

    def _on_namespace(self, before: Namespace | None, after: Namespace | None) -> None:
        if after is not None and needs_work(after):
            self._queue.add(after.metadata.name)

    async def _reconcile(self, name: str) -> float | None:
        cached = self._namespaces.get("", name)
        if cached is None or not needs_work(cached):
            return None
        try:
            namespace = await self._client.get(Namespace, name)
        except ApiError as error:
            if error.code == 404:
                return None
            raise
        if not needs_work(namespace):
            return None
        outcome = await self._empty(name)
        plan = plan_namespace(namespace, outcome, self._context.clock.now())
        await self._executor.execute(plan.actions)
        return plan.requeue_after

    async def _empty(self, name: str) -> Outcome:
        """One round: delete all that can be deleted now, and count what is left."""
        discovered = await discover(self._client)
        served = [
            one
            for one in discovered.resources
            if one.namespaced and supports(one, "list", "delete")
        ]
        pods = [one for one in served if (one.group, one.plural) == ("", "pods")]
        others = [one for one in served if one not in pods]
        remaining, errors = await self._round(pods, name)
        grace = 0
        if remaining:
            grace = max(
                (pod.spec.termination_grace_period_seconds or 0 for pod in self._pods.list(name)),
                default=0,
            )
        elif not errors:
            remaining, errors = await self._round(others, name)
        return Outcome(remaining, errors, discovered.stale, grace)

    async def _round(
        self, resources: Sequence[Resource], name: str
    ) -> tuple[list[Remaining], list[str]]:
        free = asyncio.Semaphore(PARALLEL_MAX)

        async def one(resource: Resource) -> Remaining | str | None:
            async with free:
                try:
                    return await self._delete_all(resource, name)
                except ApiError as error:
                    return error.message

        results = await asyncio.gather(*(one(resource) for resource in resources))
        remaining = [found for found in results if isinstance(found, Remaining)]
        return remaining, [found for found in results if isinstance(found, str)]

    async def _delete_all(self, resource: Resource, name: str) -> Remaining | None:
        """Delete the namespace's objects of one resource; what is left of them."""
        if not await self._list(resource, name):
            return None
        if supports(resource, "deletecollection"):
            await self._client.delete_collection(
                PartialObjectMetadata, name, propagation_policy="Background", resource=resource
            )
        else:
            await self._delete_each(resource, name)
        left = await self._list(resource, name)
        if not left:
            return None
        finalizers = Counter(text for one in left for text in one.metadata.finalizers)
        return Remaining(f"{resource.plural}.{resource.group}", len(left), dict(finalizers))

    async def _list(self, resource: Resource, name: str) -> list[PartialObjectMetadata]:
        found = await self._client.list(PartialObjectMetadata, name, resource=resource)
        return found.items

    async def _delete_each(self, resource: Resource, name: str) -> None:
        free = asyncio.Semaphore(ITEM_DELETES_MAX)

        async def one(found: PartialObjectMetadata) -> None:
            async with free:
                await gone_is_done(
                    self._client.delete(
                        PartialObjectMetadata,
                        found.metadata.name,
                        name,
                        propagation_policy="Background",
                        uid=found.metadata.uid,
                        resource=resource,
                    )
                )

        await asyncio.gather(*(one(found) for found in await self._list(resource, name)))
