"""Whether this node takes a pod that somebody put on it. Pure.

The scheduler has checked already; this is for races, for pods bound by hand and for nodes that
changed. A refusal is final: the pod is Failed with this reason.

Source: upstream's pkg/kubelet/lifecycle/predicate.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kubelet.pods.amounts import amount, total
from wherry.api.core_v1 import Pod

_COUNTED = ("cpu", "memory")


def host_ports(pod: Pod) -> set[tuple[str, str, int]]:
    """(address, protocol, port) that a pod takes on the node."""
    return {
        (port.host_ip or "0.0.0.0", port.protocol or "TCP", port.host_port)
        for container in pod.spec.containers
        for port in container.ports
        if port.host_port
    }


def _collide(one: set[tuple[str, str, int]], other: set[tuple[str, str, int]]) -> bool:
    return any(
        (protocol, port) == (other_protocol, other_port)
        and ("0.0.0.0" in (address, other_address) or address == other_address)
        for address, protocol, port in one
        for other_address, other_protocol, other_port in other
    )


def refusal(
    pod: Pod, others: Iterable[Pod], allocatable: Mapping[str, str], labels: Mapping[str, str]
) -> tuple[str, str] | None:
    """(reason, message) when the pod can't be taken beside `others`, which are here."""
    here = list(others)
    if any(labels.get(key) != value for key, value in pod.spec.node_selector.items()):
        message = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
        return "NodeAffinity", message
    if any(_collide(host_ports(pod), host_ports(other)) for other in here):
        message = (
            "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
        )
        return "NodePorts", message
    limit = allocatable.get("pods")
    if limit and len(here) + 1 > int(limit):
        return "OutOfpods", _short("pods", 1, len(here), int(limit))
    return shortage(pod, here, allocatable)


def shortage(
    pod: Pod, here: Sequence[Pod], allocatable: Mapping[str, str]
) -> tuple[str, str] | None:
    """(reason, message) when there is too little cpu or memory for the pod beside those `here`."""
    for name in _COUNTED:
        if name not in allocatable:
            continue
        wanted, capacity = total(pod, "requests", name), amount(name, allocatable[name])
        used = sum(total(other, "requests", name) for other in here)
        if wanted and used + wanted > capacity:
            return f"OutOf{name}", _short(name, wanted, used, capacity)
    return None


def _short(name: str, wanted: int, used: int, capacity: int) -> str:
    return (
        f"Node didn't have enough resource: {name}, requested: {wanted}, used: {used}, "
        f"capacity: {capacity}"
    )
