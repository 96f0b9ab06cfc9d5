"""What a pod asks for and may have, of one resource. Pure.

Containers and sidecars run side by side, other init containers one after another before them. What is
said for the whole pod replaces the sum; its overhead comes on top.

Source: k8s.io/component-helpers/resource (PodRequests, PodLimits).
"""

from __future__ import annotations

from typing import Literal

from wherry.api import quantity
from wherry.api.core_v1 import Container, Pod, ResourceRequirements

Field = Literal["requests", "limits"]


def amount(name: str, text: str) -> int:
    """Milli-CPU, or units of anything else, rounded up."""
    return quantity.milli(text) if name == "cpu" else quantity.value(text)


def total(pod: Pod, field: Field, name: str) -> int:
    """The pod's most demanding moment; 0 when nothing is said."""
    spec = pod.spec
    whole = _said(spec.resources, field, name) if spec.resources is not None else None
    if whole is None:
        whole = _sum_of_containers(pod, field, name)
    overhead = spec.overhead.get(name)
    if overhead is None or (field == "limits" and not whole):
        return whole
    return whole + amount(name, overhead)


def is_limited(pod: Pod, name: str) -> bool:
    """Whether the pod as a whole has an upper bound: its own, or one on each container."""
    spec = pod.spec
    if spec.resources is not None and _said(spec.resources, "limits", name):
        return True
    everyone = (*spec.init_containers, *spec.containers)
    return all(_said(container.resources, "limits", name) for container in everyone)


def _sum_of_containers(pod: Pod, field: Field, name: str) -> int:
    def of(container: Container) -> int:
        return _said(container.resources, field, name) or 0

    sidecars = peak = 0
    for container in pod.spec.init_containers:
        # A sidecar starts with the init containers and stays: it counts beside all after it.
        peak = max(peak, sidecars + of(container))
        if container.restart_policy == "Always":
            sidecars += of(container)
    return max(peak, sidecars + sum(of(container) for container in pod.spec.containers))


def _said(resources: ResourceRequirements, field: Field, name: str) -> int | None:
    amounts = resources.requests if field == "requests" else resources.limits
    text = amounts.get(name)
    if text is None and field == "requests":
        text = resources.limits.get(name)  # as the server defaults it
    return amount(name, text) if text is not None else None
