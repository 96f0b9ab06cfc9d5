"""A pod to place and a node to place it on, with everything computed once that is asked often.

`NodeInfo` changes only through the cache; plugins read it. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from scheduler.objects import Node, Pod
from scheduler.resources import PODS, Amount, Requests, amount_of, amounts, requests_of
from wherry.api.core_v1.affinity import NodeSelector, PreferredSchedulingTerm, Toleration
from wherry.api.core_v1.node import Taint
from wherry.api.volumes import ephemeral_claim

ANY_ADDRESS = "0.0.0.0"
ZONE_LABEL = "topology.kubernetes.io/zone"

HostPort = tuple[str, str, int]  # address, protocol, port


@dataclass(frozen=True, slots=True)
class PodInfo:
    """A pod, read once."""

    key: str
    uid: str
    namespace: str
    name: str
    node_name: str
    priority: int
    requests: Requests
    host_ports: tuple[HostPort, ...]
    tolerations: tuple[Toleration, ...]
    node_selector: tuple[tuple[str, str], ...]
    required: NodeSelector | None
    preferred: tuple[PreferredSchedulingTerm, ...]
    gates: tuple[str, ...]
    generation: int
    claims: tuple[str, ...] = ()  # keys of the claims that its volumes are

    @classmethod
    def of(cls, pod: Pod) -> PodInfo:
        spec, meta = pod.spec, pod.metadata
        node_affinity = spec.affinity.node_affinity if spec.affinity is not None else None
        return cls(
            key=f"{meta.namespace}/{meta.name}",
            uid=meta.uid,
            namespace=meta.namespace,
            name=meta.name,
            node_name=spec.node_name,
            priority=spec.priority or 0,
            requests=requests_of(spec),
            host_ports=_host_ports(pod),
            tolerations=tuple(spec.tolerations),
            node_selector=tuple(spec.node_selector.items()),
            required=(
                node_affinity.required_during_scheduling_ignored_during_execution
                if node_affinity is not None
                else None
            ),
            preferred=(
                tuple(node_affinity.preferred_during_scheduling_ignored_during_execution)
                if node_affinity is not None
                else ()
            ),
            gates=tuple(gate.name for gate in spec.scheduling_gates),
            generation=meta.generation,
            claims=_claims(pod),
        )


def _claims(pod: Pod) -> tuple[str, ...]:
    meta, found = pod.metadata, []
    for volume in pod.spec.volumes:
        if volume.persistent_volume_claim is not None:
            found.append(f"{meta.namespace}/{volume.persistent_volume_claim.claim_name}")
        elif volume.ephemeral is not None:
            found.append(f"{meta.namespace}/{ephemeral_claim(meta.name, volume.name)}")
    return tuple(found)


def _host_ports(pod: Pod) -> tuple[HostPort, ...]:
    spec = pod.spec
    sidecars = [one for one in spec.init_containers if one.restart_policy == "Always"]
    return tuple(
        (port.host_ip or ANY_ADDRESS, port.protocol or "TCP", port.host_port)
        for container in (*spec.containers, *sidecars)
        for port in container.ports
        if port.host_port > 0
    )


@dataclass(slots=True)
class NodeInfo:
    """A node and the pods on it, summed up.

    `known` is False while only pods of the node were seen, not the node itself.
    """

    name: str
    known: bool = False
    labels: dict[str, str] = field(default_factory=dict)
    unschedulable: bool = False
    hard_taints: tuple[Taint, ...] = ()  # NoSchedule and NoExecute
    soft_taints: tuple[Taint, ...] = ()  # PreferNoSchedule
    allocatable: Amount = field(default_factory=Amount)
    allowed_pods: int = 0
    pods: dict[str, PodInfo] = field(default_factory=dict)
    requested: Amount = field(default_factory=Amount)
    scored_milli_cpu: int = 0
    scored_memory: int = 0
    host_ports: dict[HostPort, int] = field(default_factory=dict)

    def take_node(self, node: Node) -> None:
        """Take over what the node says of itself."""
        self.known = True
        self.labels = node.metadata.labels
        self.unschedulable = node.spec.unschedulable
        taints = node.spec.taints
        self.hard_taints = tuple(t for t in taints if t.effect in ("NoSchedule", "NoExecute"))
        self.soft_taints = tuple(t for t in taints if t.effect == "PreferNoSchedule")
        found = amounts(node.status.allocatable or node.status.capacity)
        self.allocatable = amount_of(found)
        self.allowed_pods = found.get(PODS, 0)

    def add(self, pod: PodInfo) -> None:
        self.pods[pod.key] = pod
        self._count(pod, 1)

    def remove(self, key: str) -> None:
        self._count(self.pods.pop(key), -1)

    @property
    def zone(self) -> str:
        return self.labels.get(ZONE_LABEL, "")

    def _count(self, pod: PodInfo, sign: int) -> None:
        asked, total = pod.requests.amount, self.requested
        total.milli_cpu += sign * asked.milli_cpu
        total.memory += sign * asked.memory
        total.storage += sign * asked.storage
        for name, value in asked.other.items():
            total.other[name] = total.other.get(name, 0) + sign * value
        self.scored_milli_cpu += sign * pod.requests.scored_milli_cpu
        self.scored_memory += sign * pod.requests.scored_memory
        for port in pod.host_ports:
            uses = self.host_ports.get(port, 0) + sign
            if uses:
                self.host_ports[port] = uses
            else:
                del self.host_ports[port]
