"""`/stats/summary`: what the node and its pods use, as JSON. Pure.

Source: upstream's staging/src/k8s.io/kubelet/pkg/apis/stats/v1alpha1/types.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubelet.stats.collector import ContainerStats, Interface, NodeStats, PodStats
from kubelet.stats.disk import FileSystem, Taken
from kubelet.stats.usage import Usage
from wherry.api.model import format_time

Tree = dict[str, Any]
PRIMARY_INTERFACE = "eth0"


def summary(stats: NodeStats, node_name: str, *, only_cpu_and_memory: bool = False) -> Tree:
    """The Summary object."""
    at = format_time(stats.at)
    node: Tree = {
        "nodeName": node_name,
        "systemContainers": [
            {
                "name": "pods",
                "startTime": at,
                "cpu": _cpu(at, stats.pods_usage, stats.pods_nanocores),
                "memory": _memory(at, stats.pods_usage, stats.memory_bytes),
            }
        ],
        "startTime": at,
        "cpu": _cpu(at, stats.usage, stats.nanocores),
        "memory": _memory(at, stats.usage, stats.memory_bytes),
    }
    if not only_cpu_and_memory:
        node |= {
            "network": _network(at, stats.interfaces),
            "fs": _file_system(at, stats.node_disk),
            "runtime": {
                "imageFs": _file_system(at, stats.image_disk),
                "containerFs": _file_system(at, stats.image_disk),
            },
            "rlimit": {"time": at, "maxpid": stats.processes_max, "curproc": stats.processes},
            "swap": {"time": at, "swapUsageBytes": stats.usage.swap_bytes},
        }
    pods = [_pod(at, pod, stats, brief=only_cpu_and_memory) for pod in stats.pods]
    return {"node": node, "pods": pods}


def _pod(at: str, pod: PodStats, stats: NodeStats, *, brief: bool) -> Tree:
    meta = pod.pod.metadata
    tree: Tree = {
        "podRef": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
        "startTime": format_time(pod.started_at),
        "containers": [_container(at, one, stats, brief=brief) for one in pod.containers],
        "cpu": _cpu(at, pod.usage, pod.nanocores),
        "memory": _memory(at, pod.usage, None),
    }
    if brief:
        return tree
    if pod.interfaces:
        tree["network"] = _network(at, pod.interfaces)
    if pod.volumes:
        tree["volume"] = [
            {**_folder(at, taken, stats.node_disk), "name": name}
            for name, taken in pod.volumes.items()
        ]
    return tree | {
        "ephemeral-storage": _folder(at, pod.ephemeral, stats.node_disk),
        "process_stats": {"process_count": pod.usage.processes},
        "swap": {"time": at, "swapUsageBytes": pod.usage.swap_bytes},
    }


def _container(at: str, one: ContainerStats, stats: NodeStats, *, brief: bool) -> Tree:
    tree: Tree = {
        "name": one.name,
        "startTime": format_time(one.started_at),
        "cpu": _cpu(at, one.usage, one.nanocores),
        "memory": _memory(at, one.usage, None),
    }
    if not brief:
        tree |= {
            "rootfs": _folder(at, one.writable, stats.image_disk),
            "logs": _folder(at, one.logs, stats.image_disk),
            "swap": {"time": at, "swapUsageBytes": one.usage.swap_bytes},
        }
    return tree


def _cpu(at: str, usage: Usage, nanocores: int | None) -> Tree:
    tree: Tree = {"time": at}
    if nanocores is not None:
        tree["usageNanoCores"] = nanocores
    return tree | {"usageCoreNanoSeconds": usage.cpu_nanoseconds}


def _memory(at: str, usage: Usage, whole: int | None) -> Tree:
    """`whole`: what there is for a group without a limit; None = not told."""
    tree: Tree = {"time": at}
    limit = usage.memory_limit_bytes or whole
    if limit:
        tree["availableBytes"] = max(0, limit - usage.working_set_bytes)
    return tree | {
        "usageBytes": usage.memory_bytes,
        "workingSetBytes": usage.working_set_bytes,
        "rssBytes": usage.rss_bytes,
        "pageFaults": usage.page_faults,
        "majorPageFaults": usage.major_page_faults,
    }


def _file_system(at: str, found: FileSystem) -> Tree:
    return {
        "time": at,
        "availableBytes": found.available_bytes,
        "capacityBytes": found.capacity_bytes,
        "usedBytes": found.capacity_bytes - found.available_bytes,
        "inodesFree": found.inodes_free,
        "inodes": found.inodes,
        "inodesUsed": found.inodes_used,
    }


def _folder(at: str, taken: Taken, on: FileSystem) -> Tree:
    return {
        **_file_system(at, on),
        "usedBytes": taken.bytes,
        "inodesUsed": taken.inodes,
    }


def _network(at: str, found: Sequence[Interface]) -> Tree:
    rows = [
        {
            "name": one.name,
            "rxBytes": one.received_bytes,
            "rxErrors": one.receive_errors,
            "txBytes": one.sent_bytes,
            "txErrors": one.send_errors,
        }
        for one in found
    ]
    primary = next(
        (row for row in rows if row["name"] == PRIMARY_INTERFACE), rows[0] if rows else {}
    )
    return {"time": at, **primary, "interfaces": rows}
