"""The ledger's own counting, on a registry in memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.admission.attributes import PODS, QUOTAS
from apiserver.quota.ledger import Ledger
from apiserver.quota.recount import LOOK_SECONDS, QUIET_SECONDS
from wherry.api.errors import not_found

Tree = dict[str, Any]


class Clock:
    """Time passes by being slept through; it ends after `looks` sleeps."""

    def __init__(self, looks: int) -> None:
        self.passed = 0.0
        self.left = looks

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.passed, UTC)

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        if not self.left:
            raise asyncio.CancelledError
        self.left -= 1
        self.passed += seconds


class Registry:
    """One quota, some pods; it is its own cache and lister."""

    def __init__(self, used: Tree, pods: int) -> None:
        metadata = {"namespace": "ns", "name": "q", "resourceVersion": "1"}
        hard = {"pods": "10"}
        self.quota: Tree = {
            "metadata": metadata, "spec": {"hard": hard}, "status": {"hard": hard, "used": used},
        }  # fmt: skip
        self.pods = [
            {"metadata": {"name": f"p{n}"}, "spec": {"containers": []}} for n in range(pods)
        ]
        self.cache = self
        self.seen = True  # by the cache

    def lister(self) -> Registry:
        return self

    def list(self, resource: Any, namespace: str = "") -> list[Mapping[str, Any]]:
        if resource is QUOTAS:
            return [self.quota] if self.seen else []
        return [*self.pods] if resource is PODS else []

    def get(self, resource: Any, namespace: str, name: str) -> Mapping[str, Any]:
        if not self.seen:
            raise not_found(resource.qualified_name, name)
        return self.quota

    async def fresh(self) -> None:
        self.seen = True

    async def update(
        self, resource: Any, namespace: str, name: str, mutate: Any, *more: Any
    ) -> None:
        tree = {**self.quota, "status": {**self.quota["status"]}}
        mutate(tree)
        self.quota = tree


@pytest.mark.parametrize("recorded", [{"pods": "5"}, {"pods": "1"}, {}])
async def test_what_a_crash_left_is_corrected(recorded: Tree) -> None:
    registry = Registry(recorded, pods=2)
    clock = Clock(int(QUIET_SECONDS // LOOK_SECONDS) + 2)
    with contextlib.suppress(asyncio.CancelledError):
        await Ledger(registry, clock).recount()  # type: ignore[arg-type]  # a stand-in in memory
    assert registry.quota["status"] == {"hard": {"pods": "10"}, "used": {"pods": "2"}}


async def test_not_before_it_is_quiet() -> None:
    registry = Registry({"pods": "5"}, pods=2)
    with contextlib.suppress(asyncio.CancelledError):
        await Ledger(registry, Clock(2)).recount()  # type: ignore[arg-type]  # as above
    assert registry.quota["status"]["used"] == {"pods": "5"}


async def test_a_new_quota_is_counted_though_the_cache_is_behind() -> None:
    registry = Registry({}, pods=2)
    registry.quota["status"] = {}
    registry.seen = False
    ledger = Ledger(registry, Clock(0))  # type: ignore[arg-type]  # as above
    ledger.stored(QUOTAS, "ns", registry.quota, None)
    running = asyncio.create_task(ledger.run())
    async with asyncio.timeout(10):
        while not registry.quota["status"]:
            await asyncio.sleep(0)
    running.cancel()
    assert registry.quota["status"] == {"hard": {"pods": "10"}, "used": {"pods": "2"}}
