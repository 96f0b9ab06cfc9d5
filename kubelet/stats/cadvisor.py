"""`/metrics/cadvisor`: what the machine, its pods, their sandboxes and containers use, by the names that
dashboards know from cAdvisor.

Everything is read when somebody asks, from control groups and /proc, and kept for a moment. As with
containerd, a pod's own group and its sandbox have an empty `container`, and the network is the sandbox's.

Source: google/cadvisor's metrics/prometheus.go; upstream's containerPrometheusLabelsFunc
(pkg/kubelet/server/server.go).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from kubelet import cgroup_fs
from kubelet.node.machine import Machine, meminfo, read
from kubelet.pods import cgroups
from kubelet.pods.cgroups import NodeFacts
from kubelet.runtime.protocol import ContainerRecord, State
from kubelet.server.sources import PodSource
from kubelet.stats import disk
from kubelet.stats.cadvisor_metrics import Group, Seen, page_of
from kubelet.stats.collector import interfaces
from kubelet.stats.detail import Detail
from kubelet.stats.disk import Folders, Taken
from kubelet.stats.reader import CgroupReader
from kubelet.stats.usage import of_node
from wherry.api.core_v1 import Pod
from wherry.daemon.clock import Clock

KEPT_SECONDS = 2.0


class Cadvisor:
    """`page` looks at everything; callers within a moment share one look."""

    def __init__(
        self, pods: PodSource, facts: NodeFacts, machine: Machine, clock: Clock, folders: Folders,
        images_dir: Path, reader: CgroupReader | None = None,
    ) -> None:  # fmt: skip
        self._pods = pods
        self._facts = facts
        self._machine = machine
        self._clock = clock
        self._folders = folders
        self._images_dir = images_dir
        self._reader = reader or CgroupReader()
        self._kept: tuple[float, str] = (-KEPT_SECONDS, "")
        self._lock = asyncio.Lock()

    async def page(self) -> str:
        """OSError when the engine's folder can't be looked at."""
        async with self._lock:
            if self._clock.monotonic() - self._kept[0] >= KEPT_SECONDS:
                text = await asyncio.to_thread(lambda: page_of(self._look()))
                self._kept = (self._clock.monotonic(), text)
            return self._kept[1]

    # -- on a thread

    def _look(self) -> Seen:
        memory = meminfo(read("/proc/meminfo"))
        return Seen(
            at=self._clock.now(),
            machine=self._machine,
            swap_bytes=memory.get("SwapTotal", 0),
            groups=tuple(self._groups(memory)),
            device=_device(self._images_dir),
            images=disk.file_system(self._images_dir),
        )

    def _groups(self, memory: dict[str, int]) -> Iterator[Group]:
        whole = of_node(read("/proc/stat"), memory, os.sysconf("SC_CLK_TCK"))
        yield Group(
            "/", whole, self._reader.detail("/") or Detail(),
            interfaces=tuple(interfaces(read("/proc/self/net/dev"))),
        )  # fmt: skip
        for level in ("", "burstable", "besteffort"):
            yield from self._group(cgroups.all_pods(self._facts, level))
        for pod in self._pods.pods():
            yield from self._pod(pod)

    def _pod(self, pod: Pod) -> Iterator[Group]:
        parent = cgroups.parent(pod, self._facts)
        records = self._pods.containers(pod.metadata.uid)
        running = [one for one in records if one.state is State.RUNNING]
        if not running:
            return
        yield from self._group(parent, pod)
        for record in running:
            yield from self._container(pod, parent, record)

    def _container(self, pod: Pod, parent: str, record: ContainerRecord) -> Iterator[Group]:
        group = cgroups.container_group(parent, record.id, self._facts.cgroup_driver)
        for found in self._group(group, pod):
            has_network = record.is_sandbox and not record.host_network
            net_dev = read(f"/proc/{record.pid}/net/dev") if has_network else ""
            yield replace(
                found,
                container="" if record.is_sandbox else record.name,
                image=record.image,
                name=record.id,
                started_at=record.started_at,
                interfaces=tuple(interfaces(net_dev)),
                disk=None if record.is_sandbox else self._written(record),
            )  # fmt: skip

    def _written(self, record: ContainerRecord) -> Taken:
        return self._folders.taken(record.writable_dir) + self._folders.taken(record.log_path)

    def _group(self, group: str, pod: Pod | None = None) -> Iterator[Group]:
        """The group, unless it is gone."""
        usage, detail = self._reader.read(group), self._reader.detail(group)
        if usage is not None and detail is not None:
            namespace = pod.metadata.namespace if pod is not None else ""
            name = pod.metadata.name if pod is not None else ""
            yield Group(f"/{cgroup_fs.relative(group)}", usage, detail, namespace, name)


def _device(folder: Path) -> str:
    """What is mounted where a folder lies, as the mount table calls it."""
    found = os.stat(folder).st_dev
    number = f"{os.major(found)}:{os.minor(found)}"
    for line in read("/proc/self/mountinfo").splitlines():
        head, _, tail = line.partition(" - ")
        if head.split()[2] == number:
            return tail.split()[1]
    return number
