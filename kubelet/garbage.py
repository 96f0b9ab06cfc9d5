"""What the node keeps too much of: images on a full disk, containers that ended.

Images go when the engine's disk is fuller than the high threshold, those unused for longest first,
until it is as full as the low one. An image that any container uses (not only ours), the sandbox
image and images seen for less than the minimum age are spared.

Of ended containers each pod's worker already keeps but a few (`plan.py`); here only the node-wide
limit is kept. The newest run of a container in a pod that goes on is never taken: it says whether
that container is to run again.

Source: upstream's pkg/kubelet/images/image_gc_manager.go, kuberuntime_gc.go.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kubelet.pods.cache import ContainerCache
from kubelet.runtime.protocol import ContainerRecord, ImageRecord, Runtime, RuntimeFailure, State
from kubelet.stats.disk import file_system
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

IMAGE_PERIOD_SECONDS = 300.0
CONTAINER_PERIOD_SECONDS = 60.0
DISABLED = 100  # a high threshold of 100 % is never passed


@dataclass(frozen=True, slots=True)
class GarbagePolicy:
    """What the flags say. `dead_max` below 0: no limit for the whole node.

    image_age_max_seconds: an image unused for longer goes, however much room there is; 0 = never
    """

    image_high_percent: int = 85
    image_low_percent: int = 80
    image_age_min_seconds: float = 120.0
    image_age_max_seconds: float = 0.0
    dead_max: int = -1
    dead_max_per_container: int = 1
    dead_age_min_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Disk:
    capacity: int
    available: int


@dataclass(frozen=True, slots=True)
class Seen:
    """When an image was first seen here, and when a container last had it."""

    detected: datetime
    used: datetime


Say = Callable[[str, str, str], None]  # (event type, reason, message), about the node


# -- images


def excess(disk: Disk, policy: GarbagePolicy) -> int:
    """Bytes to free."""
    if policy.image_high_percent >= DISABLED or disk.capacity <= 0:
        return 0
    used_percent = 100 - disk.available * 100 // disk.capacity
    if used_percent < policy.image_high_percent:
        return 0
    return max(0, disk.capacity * (100 - policy.image_low_percent) // 100 - disk.available)


def look(
    seen: Mapping[str, Seen], images: Iterable[ImageRecord], in_use: Collection[str], now: datetime
) -> dict[str, Seen]:
    """What is known of the images there are now. Those that were here before us are old."""
    long_ago = datetime.min.replace(tzinfo=now.tzinfo)
    first = not seen
    found = {}
    for image in images:
        before = seen.get(image.id) or Seen(long_ago if first else now, long_ago)
        found[image.id] = Seen(before.detected, now if image.id in in_use else before.used)
    return found


def to_remove(
    images: Iterable[ImageRecord],
    seen: Mapping[str, Seen],
    spared: Collection[str],
    wanted: int,
    now: datetime,
    policy: GarbagePolicy,
) -> list[ImageRecord]:
    """Images whose removal frees `wanted` bytes, or all that may go. `spared`: ids."""
    youngest = now - timedelta(seconds=policy.image_age_min_seconds)
    free = [i for i in images if i.id not in spared and seen[i.id].detected <= youngest]
    free.sort(key=lambda image: (seen[image.id].used, seen[image.id].detected))
    found: list[ImageRecord] = []
    freed = 0
    for image in free:
        if freed >= wanted:
            break
        found.append(image)
        freed += image.size
    return found


def outdated(
    images: Iterable[ImageRecord],
    seen: Mapping[str, Seen],
    spared: Collection[str],
    begun: datetime,
    now: datetime,
    policy: GarbagePolicy,
) -> list[ImageRecord]:
    """Images that nothing has used for too long. What was before we `begun` looking is not known."""
    longest = timedelta(seconds=policy.image_age_max_seconds)
    if not longest:
        return []
    return [
        image
        for image in images
        if image.id not in spared
        and now - max(seen[image.id].used, seen[image.id].detected, begun) > longest
    ]


# -- containers


def surplus(
    records: Iterable[ContainerRecord],
    finished: Collection[str],
    now: datetime,
    policy: GarbagePolicy,
) -> list[ContainerRecord]:
    """Ended containers beyond the node's limit, oldest first. `finished`: uids of pods that are over."""
    if policy.dead_max < 0:
        return []
    newest: dict[tuple[str, str], ContainerRecord] = {}
    dead = []
    for record in records:
        if record.is_sandbox:
            continue
        key = (record.pod_uid, record.name)
        if key not in newest or _order(record) > _order(newest[key]):
            newest[key] = record
        if record.state is not State.RUNNING:
            dead.append(record)
    oldest = now - timedelta(seconds=policy.dead_age_min_seconds)
    may_go = [
        record
        for record in dead
        if record.created_at <= oldest
        and (record.pod_uid in finished or newest[record.pod_uid, record.name] is not record)
    ]
    may_go.sort(key=lambda record: record.created_at)
    return may_go[: max(0, len(dead) - policy.dead_max)]


def _order(record: ContainerRecord) -> tuple[int, datetime]:
    return (record.attempt, record.created_at)


# -- the shell


class GarbageCollector:
    """Looks now and then and takes away what is too much."""

    def __init__(
        self,
        runtime: Runtime,
        cache: ContainerCache,
        policy: GarbagePolicy,
        clock: Clock,
        *,
        disk: Callable[[], Awaitable[Disk]],
        finished: Callable[[], Collection[str]],
        sandbox_image: str,
        say: Say,
    ) -> None:
        self._runtime = runtime
        self._cache = cache
        self._policy = policy
        self._clock = clock
        self._disk = disk
        self._finished = finished
        self._sandbox_image = sandbox_image
        self._say = say
        self._seen: dict[str, Seen] = {}
        self._begun = self._steady()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._now_and_then(self.images, IMAGE_PERIOD_SECONDS), name="images")
            tasks.create_task(
                self._now_and_then(self.containers, CONTAINER_PERIOD_SECONDS), name="containers"
            )

    async def _now_and_then(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        while True:
            try:
                await work()
            except (RuntimeFailure, OSError) as error:
                log.warning("garbage collection: %s", error)
            await self._clock.sleep(seconds)

    async def containers(self) -> None:
        """Keep to the node's limit of ended containers."""
        now = self._clock.now()
        everything = [r for uid in self._cache.pod_uids() for r in self._cache.records(uid)]
        for record in surplus(everything, self._finished(), now, self._policy):
            log.info("container %s (%s) is one too many", record.id[:12], record.name)
            await self._runtime.remove(record.id)
            self._cache.drop(record.id)

    async def images(self) -> None:
        """Free the disk if it is too full."""
        wanted = excess(await self._disk(), self._policy)
        freed = await self._free(wanted, self._policy.image_age_min_seconds)
        if freed < wanted:
            message = (
                f"Failed to garbage collect required amount of images. Attempted to free {wanted} "
                f"bytes, but only found {freed} bytes eligible to free."
            )
            self._say("Warning", "FreeDiskSpaceFailed", message)

    async def unused_images(self) -> None:
        """Remove every image that no container has: the node is short of disk."""
        await self._free(sys.maxsize, 0.0)

    def _steady(self) -> datetime:
        """Of images only differences count, and those must not jump with the machine's clock."""
        return datetime.fromtimestamp(self._clock.monotonic(), UTC)

    async def _free(self, wanted: int, age_min_seconds: float) -> int:
        """Remove images until so many bytes are free; how many they were."""
        images, in_use = await asyncio.gather(self._runtime.images(), self._runtime.images_in_use())
        now = self._steady()
        self._seen = look(self._seen, images, in_use, now)
        policy = replace(self._policy, image_age_min_seconds=age_min_seconds)
        sandbox = {image.id for image in images if self._sandbox_image in (*image.tags, image.id)}
        spared = in_use | sandbox
        going = outdated(images, self._seen, spared, self._begun, now, policy)
        left = wanted - sum(image.size for image in going)
        if left > 0:
            spared |= {image.id for image in going}
            going += to_remove(images, self._seen, spared, left, now, policy)
        freed = 0
        for image in going:
            log.info("removing image %s of %d bytes", image.tags or image.id, image.size)
            try:
                await self._runtime.remove_image(image)
            except RuntimeFailure as error:
                log.warning("image %s: %s", image.id, error)
                continue
            self._seen.pop(image.id, None)
            freed += image.size
        return freed


async def disk_of(path: Path) -> Disk:
    """The file system that a folder is on."""
    found = await asyncio.to_thread(file_system, path)
    return Disk(found.capacity_bytes, found.available_bytes)
