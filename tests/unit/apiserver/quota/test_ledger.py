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

    def lister(self) -> Registry:
        return self

    def list(self, resource: Any, namespace: str = "") -> list[Mapping[str, Any]]:
        if resource is QUOTAS:
            return [self.quota]
        return [*self.pods] if resource is PODS else []

    async def fresh(self) -> None:
        """It is."""

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
