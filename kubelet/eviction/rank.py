"""Whose pod goes first, and how it is told. Pure.

Order: who uses more than asked for, then lower priority, then greater excess. Static pods and those
of the system's priorities never go. Source: upstream's pkg/kubelet/eviction/helpers.go and
pkg/kubelet/types/pod_update.go (IsCriticalPod).
"""

from __future__ import annotations

from collections.abc import Iterable

from kubelet.eviction.thresholds import (
    IMAGE_DISK,
    MEMORY,
    NODE_DISK,
    PROCESSES,
    RESOURCES,
    Level,
    Threshold,
)
from kubelet.pods.amounts import total
from kubelet.pods.resize import resizable
from kubelet.static.mirrors import is_mirror
from kubelet.static.source import is_static
from kubelet.stats.collector import PodStats
from wherry.api import quantity
from wherry.api.core_v1 import Container, Pod

SYSTEM_PRIORITY_MIN = 2_000_000_000


def is_critical(pod: Pod) -> bool:
    return is_static(pod) or is_mirror(pod) or (pod.spec.priority or 0) >= SYSTEM_PRIORITY_MIN


def order(threshold: Threshold, pods: Iterable[PodStats]) -> list[PodStats]:
    """The pods that may go, the first to go first."""
    may_go = [one for one in pods if not is_critical(one.pod)]
    return sorted(may_go, key=lambda one: _key(threshold.signal, one))


def _key(signal: str, one: PodStats) -> tuple[bool, int, int]:
    used, asked = _used(signal, one), _asked(signal, one.pod)
    return not used > asked, one.pod.spec.priority or 0, asked - used


def _used(signal: str, one: PodStats) -> int:
    if signal == MEMORY:
        return one.usage.working_set_bytes
    if signal == PROCESSES:
        return one.usage.processes
    return one.ephemeral.inodes if signal.endswith("inodesFree") else one.ephemeral.bytes


def _asked(signal: str, pod: Pod) -> int:
    if signal in (NODE_DISK, IMAGE_DISK):
        return total(pod, "requests", "ephemeral-storage")
    return total(pod, "requests", "memory") if signal == MEMORY else 0


def message(threshold: Threshold, level: Level, one: PodStats) -> str:
    """Why this pod was evicted."""
    resource = RESOURCES[threshold.signal]
    binary = resource in ("memory", "ephemeral-storage")
    wanted = quantity.format_value(threshold.amount.of(level.capacity), binary=binary)
    left = quantity.format_value(level.available, binary=binary)
    text = (
        f"The node was low on resource: {resource}. "
        f"Threshold quantity: {wanted}, available: {left}. "
    )
    asked = {c.name: c for c in (*one.pod.spec.init_containers, *one.pod.spec.containers)}
    for container in one.containers:
        if container.name not in asked or resource not in ("memory", "ephemeral-storage"):
            continue
        used = (
            container.usage.working_set_bytes
            if resource == "memory"
            else (container.writable + container.logs).bytes
        )
        least = _request_of(asked[container.name], resource)
        if used > least:
            text += (
                f"Container {container.name} was using {quantity.format_value(used, binary=True)}, "
                f"request is {quantity.format_value(least, binary=True)}, "
                f"has larger consumption of {resource}. "
            )
    return text


def _request_of(container: Container, resource: str) -> int:
    text = container.resources.requests.get(resource)
    return quantity.value(text) if text else 0


# -- limits of one pod on local storage


def has_local_limits(pod: Pod) -> bool:
    return any(
        volume.empty_dir is not None and volume.empty_dir.size_limit for volume in pod.spec.volumes
    ) or any(c.resources.limits.get("ephemeral-storage") for c in pod.spec.containers)


def local_excess(one: PodStats) -> str:
    """Why a pod must go that takes more of the disk than its own limits say; empty when it does not."""
    return _volume_excess(one) or _container_excess(one) or _pod_excess(one)


def _volume_excess(one: PodStats) -> str:
    for volume in one.pod.spec.volumes:
        source = volume.empty_dir
        if source is None or not source.size_limit or volume.name not in one.volumes:
            continue
        limit = quantity.value(source.size_limit)
        if limit and one.volumes[volume.name].bytes > limit:
            return f'Usage of EmptyDir volume "{volume.name}" exceeds the limit "{source.size_limit}". '
    return ""


def _container_excess(one: PodStats) -> str:
    limits = {c.name: c.resources.limits.get("ephemeral-storage") for c in resizable(one.pod)}
    for container in one.containers:
        limit = limits.get(container.name)
        if limit and (container.writable + container.logs).bytes > quantity.value(limit):
            return (
                f'Container {container.name} exceeded its local ephemeral storage limit "{limit}". '
            )
    return ""


def _pod_excess(one: PodStats) -> str:
    limits = [c.resources.limits.get("ephemeral-storage") for c in one.pod.spec.containers]
    if not limits or not all(limits):
        return ""
    total = sum(quantity.value(limit) for limit in limits if limit)
    if one.ephemeral.bytes <= total:
        return ""
    shown = quantity.format_value(total, binary=True)
    return f"Pod ephemeral local storage usage exceeds the total limit of containers {shown}. "
