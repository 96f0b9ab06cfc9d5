"""How much a pod asks for and a node offers, in plain integers. Pure.

CPU counts in milli, everything else in units, rounded up for pods and as upstream for nodes.
Source: k8s.io/component-helpers/resource (PodRequests) and the scheduler's framework.Resource.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from scheduler.objects import Container, PodSpec
from wherry.api import quantity

CPU = "cpu"
MEMORY = "memory"
STORAGE = "ephemeral-storage"
PODS = "pods"
# What a container that asks for nothing is counted as when nodes are scored (never when filtered).
NONZERO_MILLI_CPU = 100
NONZERO_MEMORY = 200 * 1024 * 1024

Amounts = dict[str, int]


@dataclass(slots=True)
class Amount:
    """What the fit of a pod is decided by. `other` holds hugepages and extended resources."""

    milli_cpu: int = 0
    memory: int = 0
    storage: int = 0
    other: Amounts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Requests:
    """What a pod asks for, and what it is counted as when nodes are scored."""

    amount: Amount
    scored_milli_cpu: int
    scored_memory: int


def amounts(quantities: Mapping[str, str]) -> Amounts:
    """Quantities as integers, CPU in milli."""
    return {
        name: quantity.milli(text) if name == CPU else quantity.value(text)
        for name, text in quantities.items()
    }


def amount_of(found: Amounts) -> Amount:
    """The named amounts apart from the rest."""
    rest = {
        name: value for name, value in found.items() if name not in (CPU, MEMORY, STORAGE, PODS)
    }
    return Amount(found.get(CPU, 0), found.get(MEMORY, 0), found.get(STORAGE, 0), rest)


def requests_of(spec: PodSpec) -> Requests:
    """What the pod needs at its most demanding moment, overhead included."""
    amount = amount_of(_total(spec, {}))
    scored = _total(spec, {CPU: NONZERO_MILLI_CPU, MEMORY: NONZERO_MEMORY})
    return Requests(amount, scored.get(CPU, 0), scored.get(MEMORY, 0))


def _total(spec: PodSpec, missing: Mapping[str, int]) -> Amounts:
    """`missing` stands in for what a container does not ask for."""
    pod_level = amounts(spec.resources.requests) if spec.resources is not None else {}
    missing = {name: value for name, value in missing.items() if name not in pod_level}

    def asked(container: Container) -> Amounts:
        return {**missing, **amounts(container.resources.requests)}

    running = _sum(asked(container) for container in spec.containers)
    sidecars: Amounts = {}
    starting: Amounts = {}
    for container in spec.init_containers:
        if container.restart_policy == "Always":
            # Starts with the init containers and stays: counts beside all that come after it.
            sidecars = _sum((sidecars, asked(container)))
            starting = _max(starting, sidecars)
        else:
            starting = _max(starting, _sum((sidecars, asked(container))))
    total = _max(_sum((running, sidecars)), starting)
    for name, value in pod_level.items():
        if name in (CPU, MEMORY) or name.startswith("hugepages-"):
            total[name] = value
    return _sum((total, amounts(spec.overhead)))


def _sum(parts: Iterable[Mapping[str, int]]) -> Amounts:
    total: Amounts = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, 0) + value
    return total


def _max(one: Mapping[str, int], other: Mapping[str, int]) -> Amounts:
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in {**one, **other}}
