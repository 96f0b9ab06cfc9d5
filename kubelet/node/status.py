"""The Node object: what is registered and what is reported. Pure.

Source: upstream's pkg/kubelet/nodestatus/setters.go and kubelet_node_status.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from kubelet.eviction.thresholds import (
    DISK_PRESSURE,
    MEMORY,
    MEMORY_PRESSURE,
    NODE_DISK,
    PID_PRESSURE,
    Policy,
)
from kubelet.node.machine import Machine
from kubelet.runtime.protocol import EngineInfo, ImageRecord
from kubelet.sandbox_image import REPOSITORY as SANDBOX
from wherry.api import quantity
from wherry.api.core_v1 import (
    ContainerImage,
    DaemonEndpoint,
    Node,
    NodeAddress,
    NodeCondition,
    NodeDaemonEndpoints,
    NodeFeatures,
    NodeSpec,
    NodeStatus,
    NodeSystemInfo,
    Taint,
)
from wherry.api.meta_v1 import ObjectMeta

IMAGES_MAX = 50
# What a pod may ask of this node that not every node has; sorted, as upstream declares them.
FEATURES = [
    "ExtendWebSocketsToKubelet",
    "GuaranteedQoSPodCPUResize",
    "RestartAllContainersOnContainerExits",
]
_EVENTS = {  # condition → the events of True and False
    MEMORY_PRESSURE: ("NodeHasInsufficientMemory", "NodeHasSufficientMemory"),
    DISK_PRESSURE: ("NodeHasDiskPressure", "NodeHasNoDiskPressure"),
    PID_PRESSURE: ("NodeHasInsufficientPID", "NodeHasSufficientPID"),
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the node is, by flags and machine."""

    name: str
    hostname: str
    address: str
    port: int
    machine: Machine
    engine: EngineInfo
    kubelet_version: str
    pods_max: int = 110
    reserved: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Taint] = ()
    eviction: Policy = field(default_factory=Policy)
    more_addresses: Sequence[str] = ()  # that of the other IP family


@dataclass(frozen=True, slots=True)
class Health:
    """`not_ready` is empty when the node can run pods; `pressure`: conditions that hold."""

    not_ready: str
    pressure: frozenset[str] = frozenset()
    images: Sequence[ImageRecord] = ()


def labels(identity: Identity) -> dict[str, str]:
    arch = identity.machine.architecture
    return {
        "beta.kubernetes.io/arch": arch,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": arch,
        "kubernetes.io/hostname": identity.hostname,
        "kubernetes.io/os": "linux",
        **identity.labels,
    }


def node(identity: Identity, status: NodeStatus) -> Node:
    """The object as registered."""
    annotations = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
    return Node(
        metadata=ObjectMeta(name=identity.name, labels=labels(identity), annotations=annotations),
        spec=NodeSpec(taints=list(identity.taints)),
        status=status,
    )


def capacity(identity: Identity) -> dict[str, str]:
    machine = identity.machine
    return {
        "cpu": str(machine.cpus),
        "ephemeral-storage": f"{machine.disk_bytes // 1024}Ki",
        **{f"hugepages-{size}": text for size, text in machine.huge_pages},
        "memory": f"{machine.memory_bytes // 1024}Ki",
        "pods": str(identity.pods_max),
    }


def allocatable(identity: Identity) -> dict[str, str]:
    """Capacity less what is reserved for the system and what eviction keeps free."""
    found = capacity(identity)
    machine, eviction = identity.machine, identity.eviction
    kept = {
        "memory": eviction.reserved(MEMORY, machine.memory_bytes),
        "ephemeral-storage": eviction.reserved(NODE_DISK, machine.disk_bytes),
    }
    for name, text in found.items():
        reserved = identity.reserved.get(name, "0")
        if name == "cpu":
            left = quantity.milli(text) - quantity.milli(reserved)
            found[name] = quantity.format_milli(max(0, left))
        elif name in kept:
            left = max(0, quantity.value(text) - quantity.value(reserved) - kept[name])
            found[name] = str(left) if left % 1024 else f"{left // 1024}Ki"
    return found


def status(identity: Identity, health: Health, previous: NodeStatus, now: datetime) -> NodeStatus:
    engine, machine = identity.engine, identity.machine
    return NodeStatus(
        capacity=capacity(identity),
        allocatable=allocatable(identity),
        conditions=_conditions(health, previous, now),
        addresses=[
            *(
                NodeAddress(type="InternalIP", address=one)
                for one in (identity.address, *identity.more_addresses)
            ),
            NodeAddress(type="Hostname", address=identity.hostname),
        ],
        daemon_endpoints=NodeDaemonEndpoints(kubelet_endpoint=DaemonEndpoint(port=identity.port)),
        node_info=NodeSystemInfo(
            machine_id=machine.machine_id,
            system_uuid=machine.system_uuid,
            boot_id=machine.boot_id,
            kernel_version=machine.kernel_version,
            os_image=machine.os_image,
            container_runtime_version=f"docker://{engine.version}",
            kubelet_version=identity.kubelet_version,
            operating_system="linux",
            architecture=machine.architecture,
        ),
        images=_images(health.images),
        features=NodeFeatures(supplemental_groups_policy=False),
        declared_features=FEATURES,
    )


def _images(images: Sequence[ImageRecord]) -> list[ContainerImage]:
    """The largest first, as the scheduler's image locality wants them."""
    named = [image for image in images if image.tags or image.digests]
    named.sort(key=lambda image: (-image.size, image.id))
    if len(named) > IMAGES_MAX:  # the sandbox's is told always: what cleans up volumes runs in it
        sandbox = [i for i in named[IMAGES_MAX:] if any(t.startswith(SANDBOX) for t in i.tags)]
        named = [*named[: IMAGES_MAX - len(sandbox)], *sandbox]
    return [
        ContainerImage(names=[*image.digests, *image.tags][:5], size_bytes=image.size)
        for image in named[:IMAGES_MAX]
    ]


def _conditions(health: Health, previous: NodeStatus, now: datetime) -> list[NodeCondition]:
    before = {condition.type: condition for condition in previous.conditions}
    pressure = health.pressure
    ready = not health.not_ready
    found = [
        _pressure(MEMORY_PRESSURE, MEMORY_PRESSURE in pressure,
                  ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
                  ("KubeletHasSufficientMemory", "kubelet has sufficient memory available")),
        _pressure(DISK_PRESSURE, DISK_PRESSURE in pressure,
                  ("KubeletHasDiskPressure", "kubelet has disk pressure"),
                  ("KubeletHasNoDiskPressure", "kubelet has no disk pressure")),
        _pressure(PID_PRESSURE, PID_PRESSURE in pressure,
                  ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
                  ("KubeletHasSufficientPID", "kubelet has sufficient PID available")),
        NodeCondition(
            type="Ready",
            status=str(ready),
            reason="KubeletReady" if ready else "KubeletNotReady",
            message=health.not_ready or "kubelet is posting ready status",
        ),
    ]  # fmt: skip
    result = []
    for condition in found:
        old = before.get(condition.type)
        same = old is not None and old.status == condition.status
        changed = old.last_transition_time if old is not None and same else now
        result.append(condition.with_(last_heartbeat_time=now, last_transition_time=changed))
    return result


def _pressure(
    type: str, present: bool, bad: tuple[str, str], good: tuple[str, str]
) -> NodeCondition:
    reason, message = bad if present else good
    return NodeCondition(type=type, status=str(present), reason=reason, message=message)


def condition_events(status: NodeStatus) -> list[str]:
    """The reasons of the events that tell the node's pressures as they are."""
    return [
        _EVENTS[condition.type][0 if condition.status == "True" else 1]
        for condition in status.conditions
        if condition.type in _EVENTS
    ]


def differs(one: NodeStatus, other: NodeStatus) -> bool:
    """Is there anything to report beside the heartbeat?"""
    return _without_heartbeat(one) != _without_heartbeat(other)


def _without_heartbeat(status: NodeStatus) -> NodeStatus:
    conditions = [c.with_(last_heartbeat_time=None) for c in status.conditions]
    return status.with_(conditions=conditions)


def is_overruled(said: NodeStatus, stored: NodeStatus) -> bool:
    """Whether the server has another state of a condition of ours: a silent node's are set to Unknown."""
    theirs = {condition.type: condition.status for condition in stored.conditions}
    return any(theirs.get(c.type) != c.status for c in said.conditions)


def is_due(last: datetime | None, now: datetime, report_seconds: float) -> bool:
    """A last time that lies ahead was told by a clock that has been set back."""
    return last is None or not timedelta() <= now - last < timedelta(seconds=report_seconds)


def patch(new: NodeStatus, old: NodeStatus) -> dict[str, Any]:
    """A strategic merge patch of the status; conditions of others stay.

    Addresses are merged by their type, of which a dual-stack node has two: the list is left out or
    replaced as a whole. Upstream: fixupPatchForNodeStatusAddresses.
    """
    tree = new.to_wire()
    if old.addresses == new.addresses:
        tree.pop("addresses", None)
    else:
        tree["addresses"] = [*tree.get("addresses", ()), {"$patch": "replace"}]
    return {"status": tree}


def parse_taint(text: str) -> Taint:
    """`key[=value]:Effect`; ValueError when it is none."""
    body, colon, effect = text.rpartition(":")
    if not colon or effect not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
        raise ValueError(f"invalid taint {text!r} (say key=value:NoSchedule)")
    key, _, value = body.partition("=")
    return Taint(key=key, value=value, effect=effect)
