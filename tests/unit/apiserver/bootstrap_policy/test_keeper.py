"""The default roles are made once, mended when they lack something, and tried again when that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from apiserver.bootstrap_policy import policy
from apiserver.bootstrap_policy.keeper import DefaultRoles
from apiserver.registry.store import Registry
from apiserver.registry.strategies import strategies
from apiserver.storage.cache import WatchCache
from apiserver.storage.memory import MemoryStorage
from wherry.api.errors import status_error
from wherry.api.scheme import RESOURCES
from wherry.daemon.clock import SystemClock


class Admission:
    """Lets everything through; `failures` of the first writes are refused."""

    def __init__(self) -> None:
        self.failures = 0
        self.reason = "ServiceUnavailable"

    def admit(self, attributes: Any) -> None:
        if self.failures > 0:
            self.failures -= 1
            raise status_error(self.reason, "not now")

    def validate(self, attributes: Any) -> None:
        """Nothing more."""


@asynccontextmanager
async def running() -> AsyncIterator[tuple[Registry, Admission]]:
    storage, kinds, admission = MemoryStorage(), strategies(), Admission()
    fields = {resource: one.selectable_fields for resource, one in kinds.items()}
    cache = WatchCache(storage, RESOURCES, fields)
    following = asyncio.create_task(cache.run())
    await cache.ready.wait()
    yield Registry(storage, cache, kinds, admission), admission
    following.cancel()


async def keep(registry: Registry) -> DefaultRoles:
    namespaces = asyncio.Event()
    namespaces.set()
    roles = DefaultRoles(registry, SystemClock())
    async with asyncio.timeout(60):
        await roles.run(namespaces)
    assert roles.done.is_set()
    await registry.fresh()
    return roles


def held(registry: Registry) -> int:
    kinds = (policy.CLUSTER_ROLES, policy.ROLES, policy.CLUSTER_ROLE_BINDINGS, policy.ROLE_BINDINGS)
    return sum(len(registry.cache.window(kind)) for kind in kinds)


async def test_all_are_made_and_then_nothing_is_written() -> None:
    async with running() as (registry, _):
        await keep(registry)
        assert held(registry) == len(policy.objects())
        revision = registry.cache.revision
        await keep(registry)
        assert registry.cache.revision == revision


async def test_a_store_that_is_away_is_asked_again() -> None:
    async with running() as (registry, admission):
        admission.failures = 5
        await keep(registry)
        assert held(registry) == len(policy.objects())


async def test_what_is_refused_does_not_keep_the_others() -> None:
    async with running() as (registry, admission):
        admission.failures, admission.reason = 1, "BadRequest"
        await keep(registry)
        assert held(registry) == len(policy.objects()) - 1


async def test_nothing_is_done_before_the_namespaces_are_there() -> None:
    async with running() as (registry, _):
        roles = DefaultRoles(registry, SystemClock())
        namespaces = asyncio.Event()
        task = asyncio.create_task(roles.run(namespaces))
        await asyncio.sleep(0)
        assert held(registry) == 0
        namespaces.set()
        async with asyncio.timeout(60):
            await task
        assert roles.done.is_set()
