"""Watches everything, and deletes what has lost its last owner.

The graph only says what to look at; every decision is made on the object and the owners as the
server has them at that moment, and every write is conditional on it. So a graph that lags or a kind
that is not watched costs time, never an object.

Source of the rules: upstream's pkg/controller/garbagecollector.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from controller_manager.context import Context
from controller_manager.executor import gone_is_done
from controller_manager.garbagecollector import plan
from controller_manager.garbagecollector.graph import (
    FOREGROUND,
    ORPHAN,
    Graph,
    Node,
    Owner,
    node_of,
    owners_of,
)
from controller_manager.garbagecollector.monitors import Monitors
from controller_manager.garbagecollector.plan import Keep, Remove, State
from wherry.api.errors import ApiError
from wherry.api.meta_v1 import ObjectMeta
from wherry.api.scheme import Resource
from wherry.client.metadata import MetadataClient
from wherry.client.workqueue import WorkQueue

ABSENT_MAX = 500  # owners known not to exist; upstream's cache size
INCOMPLETE_SECONDS = 1.0  # before asking again what only a complete graph can tell
UNSEEN_OWNER_SECONDS = 30.0  # an owner that exists and is not in the graph is asked about again


class GarbageCollector:
    """One graph, one queue of uids to look at."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = MetadataClient(context.client)
        self._recorder = context.recorder("garbage-collector-controller")
        self._graph = Graph()
        self._queue: WorkQueue[str] = WorkQueue("garbage_collector")
        self._monitors = Monitors(context, self._observe)
        # An owner is only known to be absent *as referred to*: a wrong name or namespace in one
        # object's reference says nothing about another object's right one.
        self._absent: OrderedDict[tuple[str, Owner], None] = OrderedDict()

    async def run(self) -> None:
        options = self._context.options
        if not options.enable_garbage_collector:
            return
        work = self._context.work(
            "garbage_collector",
            self._attend,
            self._queue,
            options.concurrent_gc_syncs,
            self._graph.doubtful(),
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._monitors.run(), name="gc-monitors")
            tasks.create_task(work, name="gc-workers")

    def _observe(
        self, resource: Resource, before: ObjectMeta | None, after: ObjectMeta | None
    ) -> None:
        affected: set[str] = set()
        if before is not None and (after is None or after.uid != before.uid):
            affected |= self._graph.remove(before.uid)
        if after is not None:
            affected |= self._graph.put(node_of(resource, after))
        for uid in affected:
            self._queue.add(uid)

    async def _attend(self, uid: str) -> float | None:
        node = self._graph.get(uid)
        if node is None:
            return None
        if node.waits_for_dependents:
            return await self._finish_foreground(node)
        if node.orphans_dependents:
            return await self._finish_orphaning(node)
        if node.deleting or not node.owners:
            return None
        metadata = await self._live(node)
        if metadata is None or metadata.uid != uid:
            return None
        return await self._decide(node, metadata)

    # -- an object with owners

    async def _decide(self, node: Node, metadata: ObjectMeta) -> float | None:
        states: dict[str, State] = {}
        unseen = False
        for owner in owners_of(metadata):
            states[owner.uid] = await self._state(node, owner)
            unseen = unseen or (
                states[owner.uid] is State.SOLID and self._graph.get(owner.uid) is None
            )
        dependents = self._graph.dependents(node.uid)
        waiting = any(one.waits_for_dependents for one in dependents)
        match plan.decide(metadata, states, bool(dependents), waiting):
            case Keep(without=()):
                return UNSEEN_OWNER_SECONDS if unseen else None
            case Keep(without=uids):
                await self._patch(node, plan.without_owners(metadata, uids))
            case Remove(policy=policy, unblock=unblock):
                if unblock:
                    await self._patch(node, plan.unblocked(metadata))
                await gone_is_done(
                    self._client.delete(
                        node.resource, node.name, node.namespace,
                        propagation_policy=policy, uid=node.uid,
                        resource_version=None if unblock else metadata.resource_version,
                    )
                )  # fmt: skip
        return None

    async def _state(self, node: Node, owner: Owner) -> State:
        known = self._graph.get(owner.uid)
        if known is not None and known.is_meant_by(owner, node.namespace):
            return State.WAITING if known.waits_for_dependents else State.SOLID
        if known is not None and known.namespace not in ("", node.namespace):
            self._recorder.event(*plan.wrong_namespace(node, owner))
        reference = (node.namespace, owner)
        if reference in self._absent:
            return State.ABSENT
        resource = self._monitors.resource(*plan.owner_key(owner))
        if resource is None:  # a kind that is not served: no proof that the owner is gone
            return State.SOLID
        namespace = plan.owner_namespace(resource.namespaced, node.namespace)
        if namespace is None:
            return State.SOLID
        found = await self._get(resource, owner.name, namespace)
        if found is None or found.uid != owner.uid:
            self._absent[reference] = None
            while len(self._absent) > ABSENT_MAX:
                self._absent.popitem(last=False)
            return State.ABSENT
        waits = found.deletion_timestamp is not None and FOREGROUND in found.finalizers
        return State.WAITING if waits else State.SOLID

    # -- an owner that is being deleted

    async def _finish_foreground(self, node: Node) -> float | None:
        """Release the owner when nothing blocks it; else see to what does."""
        if not self._monitors.complete:
            return INCOMPLETE_SECONDS
        blocking = self._graph.blocking(node.uid)
        for dependent in blocking:
            if not dependent.waits_for_dependents:
                self._queue.add(dependent.uid)
        if not blocking:
            await self._release(node, FOREGROUND)
        return None

    async def _finish_orphaning(self, node: Node) -> float | None:
        """Take the owner out of its dependents, then release it."""
        if not self._monitors.complete:
            return INCOMPLETE_SECONDS
        for dependent in self._graph.dependents(node.uid):
            metadata = await self._live(dependent)
            if metadata is not None and any(
                ref.uid == node.uid for ref in metadata.owner_references
            ):
                await self._patch(dependent, plan.without_owners(metadata, [node.uid]))
        await self._release(node, ORPHAN)
        return None

    async def _release(self, node: Node, finalizer: str) -> None:
        metadata = await self._live(node)
        if metadata is not None and metadata.uid == node.uid and finalizer in metadata.finalizers:
            await self._patch(node, plan.without_finalizer(metadata, finalizer))

    # -- the server

    async def _patch(self, node: Node, patch: dict[str, object]) -> None:
        await gone_is_done(self._client.patch(node.resource, node.name, node.namespace, patch))

    async def _live(self, node: Node) -> ObjectMeta | None:
        return await self._get(node.resource, node.name, node.namespace)

    async def _get(self, resource: Resource, name: str, namespace: str) -> ObjectMeta | None:
        try:
            tree = await self._client.get(resource, name, namespace)
        except ApiError as error:
            if error.code == 404:
                return None
            raise
        return ObjectMeta.from_wire(tree["metadata"])
