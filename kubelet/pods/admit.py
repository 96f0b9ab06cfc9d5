"""Whether this node takes a pod that somebody put on it. Pure.

The scheduler has checked already; this is for races, for pods bound by hand and for nodes that
changed. A refusal is final: the pod is Failed with this reason.

Source: upstream's pkg/kubelet/lifecycle/predicate.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kubelet.pods import restart, sysctls
from kubelet.pods.amounts import amount, total
from wherry.api.core_v1 import Node, Pod
from wherry.api.node_selector import matches_term
from wherry.api.taints import tolerates

_COUNTED = ("cpu", "memory", "ephemeral-storage")


def host_ports(pod: Pod) -> set[tuple[str, str, int]]:
    """(address, protocol, port) that a pod takes on the node, by containers that stay."""
    sidecars = filter(restart.is_sidecar, pod.spec.init_containers)
    return {
        (port.host_ip or "0.0.0.0", port.protocol or "TCP", port.host_port)
        for container in (*pod.spec.containers, *sidecars)
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
    pod: Pod, others: Iterable[Pod], node: Node, unsafe_sysctls: Sequence[str] = ()
) -> tuple[str, str] | None:
    """(reason, message) when the pod can't be taken beside `others`, which are here."""
    here = list(others)
    found = _unsupported(pod) or sysctls.refusal(pod, unsafe_sysctls) or _misplaced(pod, node)
    if found is not None:
        return found
    if any(_collide(host_ports(pod), host_ports(other)) for other in here):
        return _predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports")
    allocatable = node.status.allocatable
    limit = allocatable.get("pods")
    if limit and len(here) + 1 > int(limit):
        return "OutOfpods", _short("pods", 1, len(here), int(limit))
    return shortage(pod, here, allocatable)


def _predicate(name: str, why: str) -> tuple[str, str]:
    return name, f"Predicate {name} failed: {why}"


def _unsupported(pod: Pod) -> tuple[str, str] | None:
    """What no pod gets on this sort of node. Docker adds the groups that the image's files name."""
    if pod.spec.os is not None and pod.spec.os.name != "linux":
        text = "Failed to admit pod as the OS field doesn't match node OS"
        return "PodOSNotSupported", text
    context = pod.spec.security_context
    if context is not None and context.supplemental_groups_policy == "Strict":
        text = "SupplementalGroupsPolicy=Strict is not supported in this node"
        return "SupplementalGroupsPolicyNotSupported", text
    return None


def _misplaced(pod: Pod, node: Node) -> tuple[str, str] | None:
    """Selector, required affinity and taints that end pods."""
    if not _fits_node(pod, node):
        return _predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector")
    ending = (taint for taint in node.spec.taints if taint.effect == "NoExecute")
    if not all(tolerates(pod.spec.tolerations, taint) for taint in ending):
        return _predicate("TaintToleration", "node(s) had taints that the pod didn't tolerate")
    return None


def _fits_node(pod: Pod, node: Node) -> bool:
    name, labels = node.metadata.name, node.metadata.labels
    if any(labels.get(key) != value for key, value in pod.spec.node_selector.items()):
        return False
    affinity = pod.spec.affinity.node_affinity if pod.spec.affinity is not None else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
    if required is None:
        return True
    return any(matches_term(term, name, labels) for term in required.node_selector_terms)


def shortage(
    pod: Pod, here: Sequence[Pod], allocatable: Mapping[str, str]
) -> tuple[str, str] | None:
    """(reason, message) when there is too little of something for the pod beside those `here`.

    Extended resources that the node does not offer are not its business, as upstream's.
    """
    extended = sorted(name for name in allocatable if "/" in name or name.startswith("hugepages-"))
    for name in (*_COUNTED, *extended):
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
