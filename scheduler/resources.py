"""How much a pod asks for and a node offers, in plain integers. Pure.

CPU counts in milli, everything else in units, rounded up for pods and as upstream for nodes.
Source: k8s.io/component-helpers/resource (PodRequests) and the scheduler's framework.Resource.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from scheduler.objects import PodSpec
from wherry.api import quantity

CPU = "cpu"
MEMORY = "memory"
STORAGE = "ephemeral-storage"
PODS = "pods"
# What a container that asks for nothing is counted as when nodes are scored (never when filtered).
NONZERO_MILLI_CPU = 100
NONZERO_MEMORY = 200 * 1024 * 1024
CACHED = 1024  # distinct sets of requests: templates, not pods

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


def amounts(quantities: Mapping[str, str]) -> Mapping[str, int]:
    """Quantities as integers, CPU in milli. Not to be changed: pods of a kind share it."""
    return _amounts(tuple(quantities.items()))


@lru_cache(CACHED)
def _amounts(quantities: tuple[tuple[str, str], ...]) -> Mapping[str, int]:
    return {
        name: quantity.milli(text) if name == CPU else quantity.value(text)
        for name, text in quantities
    }


def amount_of(found: Mapping[str, int]) -> Amount:
    """The named amounts apart from the rest."""
    rest = {
        name: value for name, value in found.items() if name not in (CPU, MEMORY, STORAGE, PODS)
    }
    return Amount(found.get(CPU, 0), found.get(MEMORY, 0), found.get(STORAGE, 0), rest)


def requests_of(spec: PodSpec) -> Requests:
    """What the pod needs at its most demanding moment, overhead included."""
    asked = _Asked(
        [amounts(one.resources.requests) for one in spec.containers],
        [
            (one.restart_policy == "Always", amounts(one.resources.requests))
            for one in spec.init_containers
        ],
        amounts(spec.resources.requests) if spec.resources is not None else {},
        amounts(spec.overhead),
    )
    amount = amount_of(_total(asked, {}))
    scored = _total(asked, {CPU: NONZERO_MILLI_CPU, MEMORY: NONZERO_MEMORY})
    return Requests(amount, scored.get(CPU, 0), scored.get(MEMORY, 0))


class _Asked(NamedTuple):
    """A pod's requests as written: containers, (is sidecar, init container), pod level, overhead."""

    containers: list[Mapping[str, int]]
    init: list[tuple[bool, Mapping[str, int]]]
    pod_level: Mapping[str, int]
    overhead: Mapping[str, int]


def _total(asked: _Asked, missing: Mapping[str, int]) -> Amounts:
    """`missing` stands in for what a container does not ask for."""
    missing = {name: value for name, value in missing.items() if name not in asked.pod_level}
    total = _sum({**missing, **one} for one in asked.containers)
    if asked.init:
        sidecars: Amounts = {}
        starting: Amounts = {}
        for stays, one in asked.init:
            # A sidecar starts with the init containers and stays: it counts beside all after it.
            beside = _sum((sidecars, {**missing, **one}))
            starting = _max(starting, beside)
            if stays:
                sidecars = beside
        total = _max(_sum((total, sidecars)), starting)
    for name, value in asked.pod_level.items():
        if name in (CPU, MEMORY) or name.startswith("hugepages-"):
            total[name] = value
    return _sum((total, asked.overhead)) if asked.overhead else total


def _sum(parts: Iterable[Mapping[str, int]]) -> Amounts:
    total: Amounts = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, 0) + value
    return total


def _max(one: Mapping[str, int], other: Mapping[str, int]) -> Amounts:
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in {**one, **other}}
