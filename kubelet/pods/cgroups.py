"""Where a pod's control groups are and what numbers a container gets. Pure.

Source: upstream's pkg/kubelet/cm (names) and cri-api conversions (MilliCPUToShares, MilliCPUToQuota,
GetContainerOOMScoreAdjust).
"""

from __future__ import annotations

from dataclasses import dataclass

from kubelet.runtime.protocol import PERIOD_MICROSECONDS
from wherry.api import quantity
from wherry.api.core_v1 import Container, Pod

SHARES_PER_CPU = 1024
SHARES_MIN, SHARES_MAX = 2, 262144
QUOTA_MICROSECONDS_MIN = 1_000
MEMORY_BYTES_MIN = 6 * 1024 * 1024  # Docker refuses less
OOM_GUARANTEED, OOM_BEST_EFFORT, OOM_MIN_BURSTABLE = -997, 1000, 3
OOM_SANDBOX = -998


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What the node can do: it shapes containers.

    oom_score_min: the lowest oom_score_adj this process may give
    """

    memory_bytes: int
    hostname: str
    cgroup_driver: str = "cgroupfs"
    cgroup_root: str = ""
    oom_score_min: int = -1000
    shares_host_mounts: bool = False


def qos_class(pod: Pod) -> str:
    """The server computes and stores it; compute only when it is not there."""
    if pod.status.qos_class:
        return pod.status.qos_class
    containers = [*pod.spec.init_containers, *pod.spec.containers]
    if not any(c.resources.requests or c.resources.limits for c in containers):
        return "BestEffort"
    guaranteed = all(
        c.resources.limits.get(name)
        and c.resources.requests.get(name, c.resources.limits[name]) == c.resources.limits[name]
        for c in containers
        for name in ("cpu", "memory")
    )
    return "Guaranteed" if guaranteed else "Burstable"


def parent(pod: Pod, node: NodeFacts) -> str:
    """The pod's cgroup, as Docker's `cgroup_parent`."""
    qos = qos_class(pod)
    level = "" if qos == "Guaranteed" else qos.lower()
    if node.cgroup_driver == "systemd":
        prefix = f"kubepods-{level}" if level else "kubepods"
        return f"{prefix}-pod{pod.metadata.uid.replace('-', '_')}.slice"
    parts = [node.cgroup_root.strip("/"), "kubepods", level, f"pod{pod.metadata.uid}"]
    return "/" + "/".join(part for part in parts if part)


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
    """Who dies first when memory ends; never lower than this process may set."""
    match qos_class(pod):
        case "Guaranteed":
            score = OOM_GUARANTEED
        case "BestEffort":
            score = OOM_BEST_EFFORT
        case _:
            requested = _amount(container, "memory")
            score = 1000 - 1000 * requested // max(1, node.memory_bytes)
            score = min(OOM_BEST_EFFORT - 1, max(1000 + OOM_GUARANTEED, score))
    return max(score, node.oom_score_min)


def _amount(container: Container, name: str) -> int:
    text = container.resources.requests.get(name) or container.resources.limits.get(name)
    return quantity.value(text) if text else 0


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
