"""Keeps the node alive when something runs out: reports pressure, frees disk, evicts pods one by one.

Every ten seconds it looks at a few numbers; only when one is low, or a pod has limits of its own on
local storage, does it read what pods use. Decisions are `thresholds.py`'s and `rank.py`'s.

Source: upstream's pkg/kubelet/eviction/eviction_manager.go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from kubelet.eviction import rank
from kubelet.eviction.thresholds import (
    IMAGE_DISK,
    IMAGE_INODES,
    MEMORY,
    MEMORY_PRESSURE,
    NODE_DISK,
    NODE_INODES,
    PROCESSES,
    RESOURCES,
    Level,
    Policy,
    State,
    Threshold,
    judge,
)
from kubelet.node.machine import look_at_memory, look_at_processes
from kubelet.pods.cgroups import qos_class
from kubelet.stats import disk
from kubelet.stats.collector import StatsCollector
from wherry.api.core_v1 import Pod
from wherry.api.core_v1.node import Taint
from wherry.api.taints import tolerates
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

PERIOD_SECONDS = 10.0
# After an eviction the next waits until the pod is gone, so long at most.
CLEANED_SECONDS_MAX = 30.0
# A hard threshold leaves a container this long to end.
HARD_GRACE_SECONDS = 1
_SHORT_OF_MEMORY = Taint(key="node.kubernetes.io/memory-pressure", effect="NoSchedule")

Levels = Mapping[str, Level]
Say = Callable[[str, str, str], None]  # (event type, reason, message), about the node


class Pods(Protocol):
    """The pods of this node, as the pod manager has them."""

    def pods(self) -> list[Pod]: ...

    def evict(self, uid: str, message: str, grace_seconds: int) -> asyncio.Event | None:
        """End a pod; the event is set when nothing of it is left. None when it is not here."""


@dataclass(frozen=True)
class Reclaim:
    """What frees disk without a pod's loss: unused images, ended containers."""

    images: Callable[[], Awaitable[None]]
    containers: Callable[[], Awaitable[None]]


def look(root_dir: Path, images_dir: Path) -> dict[str, Level]:
    """The levels of all signals; blocking. OSError when a folder can't be looked at."""
    node, images = disk.file_system(root_dir), disk.file_system(images_dir)
    return {
        MEMORY: Level(*look_at_memory()),
        NODE_DISK: Level(node.available_bytes, node.capacity_bytes),
        NODE_INODES: Level(node.inodes_free, node.inodes),
        IMAGE_DISK: Level(images.available_bytes, images.capacity_bytes),
        IMAGE_INODES: Level(images.inodes_free, images.inodes),
        PROCESSES: Level(*look_at_processes()),
    }


class EvictionManager:
    """`conditions` is what the node reports; `run` looks and acts."""

    def __init__(
        self, policy: Policy, pods: Pods, stats: StatsCollector, reclaim: Reclaim, clock: Clock, *,
        levels: Callable[[], Levels], say: Say, changed: Callable[[], None] = lambda: None,
        evicted: Callable[[str], None] = lambda signal: None,
    ) -> None:  # fmt: skip
        self._evicted = evicted
        self._policy = policy
        self._pods = pods
        self._stats = stats
        self._reclaim = reclaim
        self._clock = clock
        self._levels = levels
        self._say = say
        self._changed = changed
        self._state = State()
        self.conditions: frozenset[str] = frozenset()

    async def run(self) -> None:
        while True:
            try:
                evicted = await self.once()
            except OSError as error:
                log.warning("eviction: %s", error)
                evicted = None
            if evicted is None:
                await self._clock.sleep(PERIOD_SECONDS)
                continue
            try:
                async with asyncio.timeout(CLEANED_SECONDS_MAX):
                    await evicted.wait()
            except TimeoutError:
                log.warning("an evicted pod is not gone after %gs", CLEANED_SECONDS_MAX)

    async def once(self) -> asyncio.Event | None:
        """One look; the end of the pod that was evicted, if one was."""
        levels = await asyncio.to_thread(self._levels)
        verdict = judge(self._policy, levels, self._state, self._steady())
        self._state = verdict.state
        if verdict.conditions != self.conditions:
            self.conditions = verdict.conditions
            self._changed()
        local = await self._over_local_limits()
        if local is not None:
            return local
        for threshold in verdict.due:
            name = RESOURCES[threshold.signal]
            self._say("Warning", "EvictionThresholdMet", f"Attempting to reclaim {name}")
            if await self._is_reclaimed(threshold):
                continue
            evicted = await self._evict_one(threshold, levels[threshold.signal])
            if evicted is not None:
                return evicted
            log.warning("eviction: no pod may be evicted to reclaim %s", name)
        return None

    async def _is_reclaimed(self, threshold: Threshold) -> bool:
        """Whether freeing what nobody needs was enough."""
        if threshold.signal in (MEMORY, PROCESSES):
            return False
        await self._reclaim.containers()
        await self._reclaim.images()
        levels = await asyncio.to_thread(self._levels)
        verdict = judge(self._policy, levels, self._state, self._steady())
        return threshold not in verdict.state.met

    def _steady(self) -> datetime:
        """Only differences count, and those must not jump with the machine's clock."""
        return datetime.fromtimestamp(self._clock.monotonic(), UTC)

    async def _evict_one(self, threshold: Threshold, level: Level) -> asyncio.Event | None:
        stats = await self._stats.collect()
        grace = HARD_GRACE_SECONDS if threshold.is_hard else self._policy.pod_grace_seconds_max
        for one in rank.order(threshold, stats.pods):
            text = rank.message(threshold, level, one)
            evicted = self._pods.evict(one.pod.metadata.uid, text, grace)
            if evicted is not None:
                self._evicted(threshold.signal)
                return evicted
        return None

    async def _over_local_limits(self) -> asyncio.Event | None:
        if not any(rank.has_local_limits(pod) for pod in self._pods.pods()):
            return None
        for one in (await self._stats.collect()).pods:
            text = rank.local_excess(one)
            if text and not rank.is_critical(one.pod):
                evicted = self._pods.evict(one.pod.metadata.uid, text, HARD_GRACE_SECONDS)
                if evicted is not None:
                    return evicted
        return None


def refusal(pod: Pod, conditions: frozenset[str]) -> str:
    """Why a node under pressure does not take a new pod; empty when it does."""
    if not conditions or rank.is_critical(pod):
        return ""
    only_best_effort = conditions == {MEMORY_PRESSURE}
    if only_best_effort and (
        qos_class(pod) != "BestEffort" or tolerates(pod.spec.tolerations, _SHORT_OF_MEMORY)
    ):
        return ""
    return f"The node had condition: [{' '.join(sorted(conditions))}]. "
