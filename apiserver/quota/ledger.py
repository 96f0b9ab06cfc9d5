"""Keeps `status.used` of ResourceQuotas: the shell around `account`.

A charge is an optimistic update of the quota before the object is stored, so that racing creates, on
any number of API servers, never exceed it. Refunds and releases are gathered and written by one task:
until then a namespace may look fuller than it is, never emptier. What crashes left behind is found by
counting anew (`recount`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from apiserver.admission.attributes import QUOTAS, refuse
from apiserver.admission.interface import Attributes, Lister
from apiserver.quota.account import charge, growth, is_settled, release, settle, share, there_is
from apiserver.quota.pod_resources import Amounts, add
from apiserver.quota.recount import LOOK_SECONDS, Key, Seen, corrected, due
from apiserver.quota.usage import has_amounts, is_counted
from apiserver.registry.store import Registry
from apiserver.request import RequestContext, RequestInfo, User
from wherry.api.errors import ApiError
from wherry.api.scheme import Resource
from wherry.daemon.backoff import Backoff
from wherry.daemon.clock import Clock, SystemClock

log = logging.getLogger(__name__)

LOCKS: Final = 64  # namespaces share them by hash: one charge at a time spares conflicts
USER: Final = User("system:apiserver", groups=("system:masters", "system:authenticated"))
_CHARGED_SUBRESOURCES: Final = ("", "resize")

Tree = dict[str, Any]


class Ledger:
    """See the module. `run` must run for usage to go down again."""

    def __init__(self, registry: Registry, clock: Clock | None = None) -> None:
        self._registry = registry
        self._lister: Lister = registry.cache.lister()
        self._clock = clock or SystemClock()
        self._locks = tuple(asyncio.Lock() for _ in range(LOCKS))
        # By namespace and quota: bounded by the number of quotas.
        self._releases: dict[tuple[str, str], Amounts] = {}
        self._wanted = asyncio.Event()

    async def charge(self, attributes: Attributes) -> Callable[[], None]:
        """Record what a write is going to use; a function that takes it back. ApiError 403."""
        resource, namespace = attributes.resource, attributes.namespace
        charged: list[tuple[str, Amounts]] = []

        def refund() -> None:
            for name, amounts in charged:
                self._release(namespace, name, amounts)

        if not namespace or not is_counted(resource):
            return refund
        if attributes.subresource not in _CHARGED_SUBRESOURCES:
            return refund
        if attributes.operation == "UPDATE" and not has_amounts(resource):
            return refund
        quotas = self._lister.list(QUOTAS, namespace)
        try:
            for quota in quotas:
                before = share(quota, resource, attributes.old)
                extra = growth(share(quota, resource, attributes.tree), before)
                if extra:
                    await self._charge(quota, extra, attributes)
                    charged.append((quota["metadata"]["name"], extra))
        except BaseException:
            refund()
            raise
        if attributes.dry_run:
            charged.clear()
        return refund

    def stored(
        self,
        resource: Resource,
        namespace: str,
        tree: Mapping[str, Any] | None,
        old: Mapping[str, Any] | None,
    ) -> None:
        """Take note of a write that was done."""
        if not namespace or not is_counted(resource):
            return
        if resource is QUOTAS and tree is not None and not is_settled(tree):
            self._release(namespace, tree["metadata"]["name"], {})
        if old is None or not (tree is None or has_amounts(resource)):
            return
        for quota in self._lister.list(QUOTAS, namespace):
            less = growth(share(quota, resource, old), share(quota, resource, tree))
            if less:
                self._release(namespace, quota["metadata"]["name"], less)

    async def run(self) -> None:
        """Write releases for ever."""
        backoff = Backoff(initial=0.1, maximum=5.0)
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            releases, self._releases = self._releases, {}
            for (namespace, name), less in releases.items():
                try:
                    await self._settle(namespace, name, less)
                    backoff.reset()
                except ApiError as error:
                    if error.reason == "NotFound":
                        continue
                    log.warning(
                        "usage of quota %s/%s is not lowered yet: %s", namespace, name, error
                    )
                    self._release(namespace, name, less)
                    await self._clock.sleep(backoff.next())

    async def recount(self) -> None:
        """Correct, for ever, what no release will."""
        seen: dict[Key, Seen] = {}
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            seen, ready = due(self._lister.list(QUOTAS), seen, self._clock.monotonic())
            for quota in ready:
                try:
                    await self._correct(quota)
                except ApiError as error:
                    name = quota["metadata"]["name"]
                    log.warning("quota %s is not counted anew: %s", name, error)

    # --- how ---

    def _release(self, namespace: str, name: str, amounts: Mapping[str, str]) -> None:
        add(self._releases.setdefault((namespace, name), {}), amounts)
        self._wanted.set()

    async def _charge(
        self, quota: Mapping[str, Any], extra: Amounts, attributes: Attributes
    ) -> None:
        namespace, name = attributes.namespace, quota["metadata"]["name"]
        counted: Mapping[str, str] | None = None

        def record(tree: Tree) -> None:
            if not is_settled(tree) and counted is not None:
                settle(tree, counted)
            charge(tree, extra, lambda why: refuse(attributes, why))

        lock = self._locks[hash(namespace) % LOCKS]
        async with lock:
            try:
                if not is_settled(self._registry.get(QUOTAS, namespace, name)):
                    counted = await self._count(quota, namespace)
                await self._update(namespace, name, record, dry_run=attributes.dry_run)
            except ApiError as error:
                if error.reason != "NotFound":  # a quota that is gone bounds nothing
                    raise

    async def _settle(self, namespace: str, name: str, less: Amounts) -> None:
        await self._registry.fresh()  # a quota made this moment may not be in memory yet
        quota = self._registry.get(QUOTAS, namespace, name)
        counted = there_is(quota, self._lister, namespace)

        def record(tree: Tree) -> None:
            settle(tree, counted)
            release(tree, less, counted)

        async with self._locks[hash(namespace) % LOCKS]:
            await self._update(namespace, name, record, dry_run=False)

    async def _correct(self, quota: Mapping[str, Any]) -> None:
        namespace, name = quota["metadata"]["namespace"], quota["metadata"]["name"]
        used = quota["status"].get("used", {})
        wanted = corrected(used, await self._count(quota, namespace))
        if wanted is None:
            return

        def record(tree: Tree) -> None:
            if tree["status"].get("used", {}) == used:  # else somebody is at work on it
                tree["status"] = {"hard": dict(quota["spec"].get("hard", {})), "used": wanted}

        log.info("usage of quota %s/%s is corrected from %s to %s", namespace, name, used, wanted)
        async with self._locks[hash(namespace) % LOCKS]:
            await self._update(namespace, name, record, dry_run=False)

    async def _count(self, quota: Mapping[str, Any], namespace: str) -> Amounts:
        await self._registry.fresh()
        return there_is(quota, self._lister, namespace)

    async def _update(
        self, namespace: str, name: str, record: Callable[[Tree], None], *, dry_run: bool
    ) -> None:
        ctx = RequestContext(
            info=RequestInfo("update", "", QUOTAS, namespace, name, "status"),
            user=USER,
            query={"dryRun": "All"} if dry_run else {},
            accept="",
            content_type="",
            user_agent="wherry-apiserver",
            now=self._clock.now(),
        )
        await self._registry.update(QUOTAS, namespace, name, record, ctx, "status")
