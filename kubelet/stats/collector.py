"""Reads what the node, its pods and their containers use, when somebody asks.

Nothing is read while nobody does. Control groups and /proc are cheap and read each time; walking
folders is not, so what a pod has on disk is kept for some seconds. Rates need two readings: when the last
one is missing or old, a second is taken after a short while.

Source: upstream's pkg/kubelet/stats (what is summed how), google/cadvisor (what is read where).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from kubelet.node.machine import look_at_processes, meminfo, read
from kubelet.pods import cgroups
from kubelet.pods.cgroups import NodeFacts
from kubelet.runtime.protocol import ContainerRecord, State
from kubelet.server.sources import PodSource
from kubelet.stats import disk
from kubelet.stats.disk import FileSystem, Folders, Taken
from kubelet.stats.reader import CgroupReader
from kubelet.stats.usage import Usage, of_node
from wherry.api.core_v1 import Pod
from wherry.daemon.clock import Clock

RATE_SECONDS_MIN, RATE_SECONDS_MAX = 0.5, 120.0
KUBEPODS = "kubepods"
NOTHING = Taken()

Pace = Callable[[str, Usage], int | None]  # (key, usage) -> nanocores since the last look


@dataclass(frozen=True, slots=True)
class Interface:
    """One network interface of a pod or of the node; totals."""

    name: str
    received_bytes: int
    receive_errors: int
    sent_bytes: int
    send_errors: int
    received_packets: int = 0
    receive_drops: int = 0
    sent_packets: int = 0
    send_drops: int = 0


@dataclass(frozen=True, slots=True)
class ContainerStats:
    name: str
    started_at: datetime
    usage: Usage
    nanocores: int | None
    writable: Taken = NOTHING
    logs: Taken = NOTHING


@dataclass(frozen=True, slots=True)
class PodStats:
    pod: Pod
    started_at: datetime
    usage: Usage
    nanocores: int | None
    containers: Sequence[ContainerStats]
    interfaces: Sequence[Interface] = ()
    volumes: dict[str, Taken] = field(default_factory=dict)
    ephemeral: Taken = NOTHING


@dataclass(frozen=True, slots=True)
class NodeStats:
    """Everything, at one moment."""

    at: datetime
    usage: Usage
    nanocores: int | None
    memory_bytes: int  # that the machine has
    pods: Sequence[PodStats]
    pods_usage: Usage
    pods_nanocores: int | None
    node_disk: FileSystem
    image_disk: FileSystem
    interfaces: Sequence[Interface]
    processes: int
    processes_max: int


@dataclass(frozen=True, slots=True)
class _Reading:
    monotonic: float
    cpu_nanoseconds: int


def rate(before: _Reading | None, now: _Reading) -> int | None:
    """Nanocores between two readings; None without a usable one before."""
    if before is None:
        return None
    seconds = now.monotonic - before.monotonic
    if not RATE_SECONDS_MIN <= seconds <= RATE_SECONDS_MAX:
        return None
    return max(0, round((now.cpu_nanoseconds - before.cpu_nanoseconds) / seconds))


def interfaces(net_dev: str) -> list[Interface]:
    """/proc/<pid>/net/dev without the loopback."""
    found = []
    for line in net_dev.splitlines()[2:]:
        name, _, rest = line.partition(":")
        fields = rest.split()
        if len(fields) >= 12 and name.strip() != "lo":
            # bytes packets errs drop fifo frame compressed multicast, received and then sent
            figures = (int(fields[at]) for at in (0, 2, 8, 10, 1, 3, 9, 11))
            found.append(Interface(name.strip(), *figures))
    return found


class StatsCollector:
    """`collect` looks at everything; concurrent callers share one look."""

    def __init__(
        self, pods: PodSource, facts: NodeFacts, clock: Clock, *,
        root_dir: Path, images_dir: Path, reader: CgroupReader | None = None,
    ) -> None:  # fmt: skip
        self._pods = pods
        self._facts = facts
        self._clock = clock
        self._root_dir = root_dir
        self._images_dir = images_dir
        self._reader = reader or CgroupReader()
        self._last: dict[str, _Reading] = {}
        self.folders = Folders(clock.monotonic)
        self._lock = asyncio.Lock()

    async def collect(self, *, rates: bool = True) -> NodeStats:
        """Without `rates` none is waited for. OSError when the node's own folders can't be looked at."""
        async with self._lock:
            found = await asyncio.to_thread(self._look)
            if rates and _lacks_rates(found):
                await self._clock.sleep(RATE_SECONDS_MIN)
                found = await asyncio.to_thread(self._look)
            return found

    # -- on a thread

    def _look(self) -> NodeStats:
        moment = self._clock.monotonic()
        before, self._last = self._last, {}

        def pace(key: str, usage: Usage) -> int | None:
            """The rate since the last look; a look too soon after it keeps the older reading."""
            reading, old = _Reading(moment, usage.cpu_nanoseconds), before.get(key)
            too_soon = old is not None and moment - old.monotonic < RATE_SECONDS_MIN
            self._last[key] = old if old is not None and too_soon else reading
            return rate(old, reading)

        memory = meminfo(read("/proc/meminfo"))
        usage = of_node(read("/proc/stat"), memory, os.sysconf("SC_CLK_TCK"))
        pods = [self._pod(pod, pace) for pod in self._pods.pods()]
        below = self._reader.read(cgroups.all_pods(self._facts)) or Usage()
        free, most = look_at_processes()
        return NodeStats(
            at=self._clock.now(),
            usage=usage,
            nanocores=pace("", usage),
            memory_bytes=memory.get("MemTotal", 0),
            pods=[pod for pod in pods if pod is not None],
            pods_usage=below,
            pods_nanocores=pace(KUBEPODS, below),
            node_disk=disk.file_system(self._root_dir),
            image_disk=disk.file_system(self._images_dir),
            interfaces=interfaces(read("/proc/self/net/dev")),
            processes=most - free,
            processes_max=most,
        )

    def _pod(self, pod: Pod, pace: Pace) -> PodStats | None:
        """A pod that has a sandbox; None otherwise."""
        uid = pod.metadata.uid
        records = [r for r in self._pods.containers(uid) if r.state is State.RUNNING]
        sandbox = next((r for r in records if r.is_sandbox), None)
        if sandbox is None:
            return None
        parent = cgroups.parent(pod, self._facts)
        containers = [
            one
            for record in records
            if not record.is_sandbox and (one := self._container(record, parent, pace)) is not None
        ]
        usage = self._reader.read(parent) or Usage()
        volumes = {
            volume.name: self._volume(uid, volume.name, volume.empty_dir.medium)
            for volume in pod.spec.volumes
            if volume.empty_dir is not None
        }
        on_disk = [
            volumes[volume.name]
            for volume in pod.spec.volumes
            if volume.empty_dir is not None and volume.empty_dir.medium != "Memory"
        ]
        ephemeral = sum((c.writable + c.logs for c in containers), sum(on_disk, NOTHING))
        return PodStats(
            pod=pod,
            started_at=sandbox.started_at or sandbox.created_at,
            usage=usage,
            nanocores=pace(uid, usage),
            containers=containers,
            interfaces=()
            if sandbox.host_network
            else interfaces(read(f"/proc/{sandbox.pid}/net/dev")),
            volumes=volumes,
            ephemeral=ephemeral,
        )

    def _container(self, record: ContainerRecord, parent: str, pace: Pace) -> ContainerStats | None:
        group = cgroups.container_group(parent, record.id, self._facts.cgroup_driver)
        usage = self._reader.read(group)
        if usage is None:
            return None  # ended since
        return ContainerStats(
            record.name,
            record.started_at or record.created_at,
            usage,
            pace(record.id, usage),
            self.folders.taken(record.writable_dir),
            self.folders.taken(record.log_path),
        )

    def _volume(self, uid: str, name: str, medium: str) -> Taken:
        path = self._root_dir / "pods" / uid / "volumes" / "kubernetes.io~empty-dir" / name
        return disk.of_mount(path) if medium == "Memory" else self.folders.taken(str(path))


def _lacks_rates(found: NodeStats) -> bool:
    """Whether something was never read before, or too long ago."""
    rates = [found.nanocores]
    for pod in found.pods:
        rates += [pod.nanocores, *(one.nanocores for one in pod.containers)]
    return None in rates
