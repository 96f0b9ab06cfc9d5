"""The watches that feed the graph: one per kind that can be deleted, found by discovery.

Kinds that another controller watches already are read from its cache; the others are watched as
metadata only, reduced to what the graph needs. Discovery is repeated, so kinds that come later are
collected too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from controller_manager.context import Context
from controller_manager.discovery import discover, supports
from wherry.api.errors import ApiError
from wherry.api.meta_v1 import ObjectMeta
from wherry.api.model import TypedModel
from wherry.api.scheme import Resource
from wherry.client.decode import PartialObjectMetadata
from wherry.client.informer import Informer
from wherry.client.store import meta_of
from wherry.client.transport import ApiUnavailable

log = logging.getLogger(__name__)

RESYNC_SECONDS = 30.0
RETRY_SECONDS = 1.0
START_SECONDS = 0.02  # between two watches: a new leader has more urgent things to do than these
IGNORED = frozenset({("", "events"), ("events.k8s.io", "events")})  # they expire by themselves

GroupPlural = tuple[str, str]
Observer = Callable[[Resource, ObjectMeta | None, ObjectMeta | None], None]


def slim(obj: PartialObjectMetadata) -> PartialObjectMetadata:
    metadata = obj.metadata
    return PartialObjectMetadata(
        metadata=ObjectMeta(
            name=metadata.name,
            namespace=metadata.namespace,
            uid=metadata.uid,
            resource_version=metadata.resource_version,
            deletion_timestamp=metadata.deletion_timestamp,
            owner_references=metadata.owner_references,
            finalizers=metadata.finalizers,
        )
    )


class Monitors:
    """Tells `observer` of every object's metadata, of every kind, as it changes."""

    def __init__(self, context: Context, observer: Observer) -> None:
        self._context = context
        self._observer = observer
        self._informers: dict[GroupPlural, Informer[Any]] = {}
        self._own: dict[GroupPlural, asyncio.Task[None]] = {}
        self._resources: dict[tuple[str, str], Resource] = {}  # by (group, kind)
        self._discovered = False

    def resource(self, group: str, kind: str) -> Resource | None:
        """The resource of a kind; None when the server does not serve it, or not yet seen to."""
        return self._resources.get((group, kind))

    @property
    def complete(self) -> bool:
        """Is every kind's first list in? Before, a missing dependent proves nothing."""
        return self._discovered and all(one.has_synced for one in self._informers.values())

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for key in self._own:  # an earlier term's: their caches resume where they were
                self._own[key] = tasks.create_task(self._informers[key].run(), name=_name(key))
                await self._context.clock.sleep(START_SECONDS)
            while True:
                wait = RESYNC_SECONDS
                try:
                    found = await discover(self._context.client)
                    await self._adjust(found.resources, found.stale, tasks)
                except (ApiError, ApiUnavailable) as error:
                    log.warning("discovery failed: %s", error)
                    wait = RETRY_SECONDS
                await self._context.clock.sleep(wait)

    async def _adjust(
        self, resources: tuple[Resource, ...], stale: tuple[str, ...], tasks: asyncio.TaskGroup
    ) -> None:
        self._resources.update({(one.group, one.kind): one for one in resources if one.verbs})
        wanted = {
            (one.group, one.plural): one
            for one in resources
            if supports(one, "list", "watch", "delete") and (one.group, one.plural) not in IGNORED
        }
        away = {text.partition("/")[0] for text in stale}
        for key in [*self._informers]:
            if key not in wanted and key[0] not in away:
                task = self._own.pop(key, None)
                if task is not None:
                    task.cancel()
                    del self._informers[key]
        for key, resource in wanted.items():
            if key not in self._informers and self._start(key, resource, tasks):
                await self._context.clock.sleep(START_SECONDS)
        self._discovered = True

    def _start(self, key: GroupPlural, resource: Resource, tasks: asyncio.TaskGroup) -> bool:
        """Follow a resource; whether that took a watch of our own."""
        informer = self._context.informers.whole(resource)
        if informer is None:
            informer = Informer(
                self._context.client, PartialObjectMetadata, resource=resource, transform=slim
            )
            self._own[key] = tasks.create_task(informer.run(), name=_name(key))

        def observe(before: TypedModel | None, after: TypedModel | None) -> None:
            self._observer(
                resource, meta_of(before) if before else None, meta_of(after) if after else None
            )

        informer.add_handler(observe)
        self._informers[key] = informer
        return key in self._own


def _name(key: GroupPlural) -> str:
    return f"monitor-{key[1]}.{key[0]}"
