"""Resizing containers in place. Pure.

    spec (wished) ──this node has room──► allocation ──engine told──► applied

The allocation is what counts on the node and what containers are started with. It is not kept on
disk: the pod's status says it, and what the engine applies is read from the engine.

Source: upstream's pkg/kubelet/allocation and kuberuntime (computePodResizeAction).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson

from kubelet.pods import admit, cgroups, restart
from kubelet.pods.amounts import amount, total
from kubelet.runtime.protocol import PERIOD_MICROSECONDS, Applied, ContainerRecord
from wherry.api import quantity
from wherry.api.core_v1 import Container, ContainerStatus, Pod, ResourceRequirements

DEFERRED, INFEASIBLE = "Deferred", "Infeasible"
RESIZABLE = ("cpu", "memory")

Allocation = Mapping[str, ResourceRequirements]


class Refusal(NamedTuple):
    """Why a resize waits: DEFERRED until there is room, or INFEASIBLE on this node."""

    reason: str
    message: str


def resizable(pod: Pod) -> list[Container]:
    """Containers that last: the main ones and sidecars."""
    return [*filter(restart.is_sidecar, pod.spec.init_containers), *pod.spec.containers]


def wished(pod: Pod) -> Allocation:
    return {container.name: container.resources for container in resizable(pod)}


def first_allocation(pod: Pod) -> Allocation:
    """What an earlier run of the kubelet allocated, as it said in the status; else what is wished."""
    said = {
        status.name: status
        for status in (*pod.status.init_container_statuses, *pod.status.container_statuses)
    }
    return {
        name: _said(said.get(name), resources) for name, resources in wished(pod).items()
    }  # fmt: skip


def _said(status: ContainerStatus | None, wish: ResourceRequirements) -> ResourceRequirements:
    if status is None or status.resources is None:
        return wish
    return wish.with_(
        requests={**wish.requests, **_some(status.allocated_resources)},
        limits={**wish.limits, **_some(status.resources.limits)},
    )


def _some(amounts: Mapping[str, str]) -> dict[str, str]:
    return {name: amounts[name] for name in RESIZABLE if name in amounts}


def with_allocation(pod: Pod, allocation: Allocation) -> Pod:
    """The pod as this node has agreed to it."""
    if wished(pod) == allocation:
        return pod

    def agreed(containers: Iterable[Container]) -> list[Container]:
        return [
            c.with_(resources=allocation[c.name]) if c.name in allocation else c for c in containers
        ]

    spec = pod.spec
    return pod.with_(
        spec=spec.with_(
            containers=agreed(spec.containers), init_containers=agreed(spec.init_containers)
        )
    )


def judge(pod: Pod, others: Iterable[Pod], allocatable: Mapping[str, str]) -> Refusal | None:
    """Whether the pod may have what it wishes, beside `others` as they were agreed to."""
    here = list(others)
    for name in RESIZABLE:
        if name not in allocatable:
            continue
        wanted, capacity = total(pod, "requests", name), amount(name, allocatable[name])
        if wanted > capacity:
            message = (
                f"Node didn't have enough capacity: {name}, requested: {wanted}, "
                f"capacity: {capacity}"
            )
            return Refusal(INFEASIBLE, message)
    found = admit.shortage(pod, here, allocatable)
    return Refusal(DEFERRED, found[1]) if found is not None else None


def told(container: Container) -> Applied:
    """What the engine is to apply."""
    values = cgroups.resources(container)
    return Applied(values["CpuShares"], values.get("CpuQuota", 0), values.get("Memory", 0))


def too_low(container: Container, record: ContainerRecord, used_bytes: int) -> str:
    """Why its memory can't be cut to what is wished; empty when it can. The kernel would kill instead."""
    wish = told(container).memory
    is_cut = bool(wish) and (record.applied is None or wish < (record.applied.memory or wish + 1))
    if not is_cut or used_bytes < wish:
        return ""
    return f"attempting to set memory limit ({wish}) below current usage ({used_bytes})"


def is_stale(container: Container, record: ContainerRecord) -> bool:
    """Whether the container has other resources than were allocated to it."""
    return record.applied is not None and record.applied != told(container)


def needs_restart(container: Container, record: ContainerRecord) -> bool:
    """Whether a resource differs that the container can't take while it runs."""
    if record.applied is None:
        return False
    new, old = told(container), record.applied
    cpu = (new.cpu_shares, new.cpu_quota) != (old.cpu_shares, old.cpu_quota)
    differs = {"cpu": cpu, "memory": new.memory != old.memory}
    return any(
        policy.restart_policy == "RestartContainer" and differs.get(policy.resource_name, False)
        for policy in container.resize_policy
    )


def shown(container: Container, record: ContainerRecord | None) -> ResourceRequirements:
    """What a status says the container has: the allocation, or what still applies instead."""
    if record is None or record.applied is None or not is_stale(container, record):
        return container.resources
    new, old = told(container), record.applied
    requests, limits = dict(container.resources.requests), dict(container.resources.limits)
    if new.cpu_shares != old.cpu_shares:
        requests["cpu"] = quantity.format_milli(
            round(old.cpu_shares * 1000 / cgroups.SHARES_PER_CPU)
        )
    if new.cpu_quota != old.cpu_quota:
        milli = old.cpu_quota * 1000 // PERIOD_MICROSECONDS
        _set(limits, "cpu", quantity.format_milli(milli) if milli else "")
    if new.memory != old.memory:
        text = quantity.format_value(old.memory, binary=True) if old.memory else ""
        _set(limits, "memory", text)
    return container.resources.with_(requests=requests, limits=limits)


def _set(amounts: dict[str, str], name: str, text: str) -> None:
    if text:
        amounts[name] = text
    else:
        amounts.pop(name, None)


def described(pod: Pod, error: str = "") -> str:
    """The resize as events tell it."""
    tree: dict[str, Any] = {
        "containers": [
            {"name": name, "resources": resources.to_wire()}
            for name, resources in wished(pod).items()
        ],
        "generation": pod.metadata.generation,
    }
    return orjson.dumps(tree | ({"error": error} if error else {})).decode()
