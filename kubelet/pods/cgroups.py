"""Where a pod's control groups are and what numbers a container gets. Pure.

Source: upstream's pkg/kubelet/cm (names) and cri-api conversions (MilliCPUToShares, MilliCPUToQuota,
GetContainerOOMScoreAdjust).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from kubelet.pods.amounts import is_limited, total
from kubelet.runtime.protocol import PERIOD_MICROSECONDS
from wherry.api import quantity
from wherry.api.core_v1 import Container, Pod

SHARES_PER_CPU = 1024
SHARES_MIN, SHARES_MAX = 2, 262144
QUOTA_MICROSECONDS_MIN = 1_000
MEMORY_BYTES_MIN = 6 * 1024 * 1024  # Docker refuses less
OOM_GUARANTEED, OOM_BEST_EFFORT, OOM_MIN_BURSTABLE = -997, 1000, 3
OOM_SANDBOX = -998
NODE_CRITICAL = "system-node-critical"
_LEVELS = ("burstable", "besteffort", "")  # the classes' groups; the last: Guaranteed pods
_POD_GROUP = re.compile(r"(?:kubepods-(?:\w+-)?)?pod([0-9a-f][0-9a-f_-]{30,})(?:\.slice)?$")


@dataclass(frozen=True, slots=True)
class LogLimits:
    """When the engine rotates a container's log, and how many files it keeps. bytes 0: never"""

    bytes: int = 10 * 1024 * 1024
    files: int = 5


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What the node can do: it shapes containers.

    oom_score_min: the lowest oom_score_adj this process may give
    seccomp_default: pods that name no seccomp profile get the engine's
    lacked_capabilities: those nobody on this machine can have
    """

    memory_bytes: int
    hostname: str
    cgroup_driver: str = "cgroupfs"
    cgroup_root: str = ""
    oom_score_min: int = -1000
    seccomp_default: bool = False
    lacked_capabilities: tuple[str, ...] = ()
    log_limits: LogLimits = LogLimits()
    cluster_domain: str = "cluster.local"


def qos_class(pod: Pod) -> str:
    """The server computes and stores it; compute only when it is not there."""
    if pod.status.qos_class:
        return pod.status.qos_class
    said = [c.resources for c in (*pod.spec.init_containers, *pod.spec.containers)]
    if pod.spec.resources is not None:  # what is said of the whole pod decides alone
        said = [pod.spec.resources]
    if not any(one.requests or one.limits for one in said):
        return "BestEffort"
    guaranteed = all(
        one.limits.get(name) and one.requests.get(name, one.limits[name]) == one.limits[name]
        for one in said
        for name in ("cpu", "memory")
    )
    return "Guaranteed" if guaranteed else "Burstable"


def parent(pod: Pod, node: NodeFacts) -> str:
    """The pod's cgroup, as Docker's `cgroup_parent`."""
    qos = qos_class(pod)
    return _group(pod.metadata.uid, "" if qos == "Guaranteed" else qos.lower(), node)


def possible(uid: str, node: NodeFacts) -> list[str]:
    """Where a pod's cgroup may be of which no more is known than its uid."""
    return [_group(uid, level, node) for level in _LEVELS]


def uid_of(group: str) -> str:
    """Whose cgroup a folder of this name is; empty when it is no pod's."""
    found = _POD_GROUP.match(group)
    return found.group(1).replace("_", "-") if found else ""


def _group(uid: str, level: str, node: NodeFacts) -> str:
    if node.cgroup_driver == "systemd":
        prefix = f"kubepods-{level}" if level else "kubepods"
        return f"{prefix}-pod{uid.replace('-', '_')}.slice"
    parts = [node.cgroup_root.strip("/"), "kubepods", level, f"pod{uid}"]
    return "/" + "/".join(part for part in parts if part)


def container_group(parent: str, container_id: str, driver: str) -> str:
    """Where the engine puts a container below its pod's group."""
    return (
        f"{parent}/docker-{container_id}.scope"
        if driver == "systemd"
        else f"{parent}/{container_id}"
    )


def shares(milli_cpu: int) -> int:
    if milli_cpu <= 0:
        return SHARES_MIN
    return min(SHARES_MAX, max(SHARES_MIN, milli_cpu * SHARES_PER_CPU // 1000))


def quota(milli_cpu: int) -> int:
    """Microseconds per period; 0 = no limit."""
    if milli_cpu <= 0:
        return 0
    return max(QUOTA_MICROSECONDS_MIN, milli_cpu * PERIOD_MICROSECONDS // 1000)


def oom_score(pod: Pod, container: Container, node: NodeFacts) -> int:
    """Who dies first when memory ends; never lower than this process may set.

    Source: upstream's pkg/kubelet/qos/policy.go.
    """
    match qos_class(pod):
        case _ if pod.spec.priority_class_name == NODE_CRITICAL:
            score = OOM_GUARANTEED
        case "Guaranteed":
            score = OOM_GUARANTEED
        case "BestEffort":
            score = OOM_BEST_EFFORT
        case _:
            requested = _memory_for_score(pod, container)
            score = 1000 - 1000 * requested // max(1, node.memory_bytes)
            score = min(OOM_BEST_EFFORT - 1, max(1000 + OOM_GUARANTEED, score))
    return max(score, node.oom_score_min)


def _memory_for_score(pod: Pod, container: Container) -> int:
    """What a container counts as asking for: with its share of what is left of the pod's own request,
    and a sidecar no less than the least of those it serves."""
    everyone = (*pod.spec.init_containers, *pod.spec.containers)
    asked = _amount(container, "memory")
    if container.restart_policy == "Always" and container in pod.spec.init_containers:
        asked = max(asked, min((_amount(c, "memory") for c in pod.spec.containers), default=0))
    whole = pod.spec.resources.requests.get("memory") if pod.spec.resources is not None else None
    if whole is None:
        return asked
    lasting = [c for c in everyone if c in pod.spec.containers or c.restart_policy == "Always"]
    left = quantity.value(whole) - sum(_amount(c, "memory") for c in lasting)
    return asked + max(0, left) // max(1, len(lasting))


def _amount(container: Container, name: str) -> int:
    text = container.resources.requests.get(name) or container.resources.limits.get(name)
    return quantity.value(text) if text else 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a whole pod may have: shares, microseconds per period, bytes (0 = no limit)."""

    shares: int
    quota: int = 0
    memory: int = 0

    def or_wider(self, other: Bounds) -> Bounds:
        """The wider of the two in each respect: where a resize passes through."""
        return Bounds(
            max(self.shares, other.shares),
            max(self.quota, other.quota) if self.quota and other.quota else 0,
            max(self.memory, other.memory) if self.memory and other.memory else 0,
        )


def bounds(pod: Pod) -> Bounds:
    """Of the pod's own group, around all its containers. Source: ResourceConfigForPod."""
    if qos_class(pod) == "BestEffort":
        return Bounds(SHARES_MIN)
    cpu = total(pod, "limits", "cpu") if is_limited(pod, "cpu") else 0
    memory = total(pod, "limits", "memory") if is_limited(pod, "memory") else 0
    # The sandbox lives in the group too, and an engine that refuses less can't run a pod in less.
    least = max(MEMORY_BYTES_MIN, memory) if memory else 0
    return Bounds(shares(total(pod, "requests", "cpu")), quota(cpu), least)


def all_pods(node: NodeFacts, level: str = "") -> str:
    """The group of all pods, or of those of a QoS class (`burstable`, `besteffort`)."""
    if node.cgroup_driver == "systemd":
        return f"kubepods-{level}.slice" if level else "kubepods.slice"
    root = f"{node.cgroup_root.rstrip('/')}/kubepods"
    return f"{root}/{level}" if level else root


def level_shares(pods: Iterable[Pod]) -> dict[str, int]:
    """CPU shares of the groups that hold all pods of a QoS class."""
    asked = sum(total(pod, "requests", "cpu") for pod in pods if qos_class(pod) == "Burstable")
    return {"burstable": shares(asked), "besteffort": SHARES_MIN}


def files(wanted: Bounds, *, unified: bool) -> list[tuple[str, str, str]]:
    """(controller, file, text) that put bounds into effect, in the order to write them."""
    limit = str(wanted.memory) if wanted.memory else ("max" if unified else "-1")
    if unified:
        most = str(wanted.quota) if wanted.quota else "max"
        return [
            ("", "cpu.weight", str(weight(wanted.shares))),
            ("", "cpu.max", f"{most} {PERIOD_MICROSECONDS}"),
            ("", "memory.max", limit),
        ]
    return [
        ("cpu", "cpu.shares", str(wanted.shares)),
        ("cpu", "cpu.cfs_period_us", str(PERIOD_MICROSECONDS)),
        ("cpu", "cpu.cfs_quota_us", str(wanted.quota or -1)),
        ("memory", "memory.limit_in_bytes", limit),
    ]


def weight(cpu_shares: int) -> int:
    """Version 2's cpu.weight (1 to 10000) for version 1's shares (2 to 262144), as runc maps them."""
    return 1 + (cpu_shares - SHARES_MIN) * 9999 // (SHARES_MAX - SHARES_MIN)


def resources(container: Container) -> dict[str, int]:
    """Docker's HostConfig entries for requests and limits."""
    requests, limits = container.resources.requests, container.resources.limits
    cpu_request = requests.get("cpu") or limits.get("cpu")
    found = {"CpuShares": shares(quantity.milli(cpu_request) if cpu_request else 0)}
    if limits.get("cpu"):
        found["CpuPeriod"] = PERIOD_MICROSECONDS
        found["CpuQuota"] = quota(quantity.milli(limits["cpu"]))
    if limits.get("memory"):
        # Equal values: no swap, as a Kubernetes node has none.
        found["Memory"] = max(MEMORY_BYTES_MIN, quantity.value(limits["memory"]))
        found["MemorySwap"] = found["Memory"]
    return found
