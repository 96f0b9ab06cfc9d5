"""Where a pod goes: filter, score, choose. Pure; chance is an argument.

With many nodes not all are looked at: enough candidates make a good choice, and the next pod's
search starts where this one ended, so that all nodes get their turn.

Source: upstream's pkg/scheduler/schedule_one.go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from scheduler.framework import Filter, Profile, Score, Status
from scheduler.state import NodeInfo, PodInfo

CANDIDATES_MIN = 100
PERCENTAGE_MIN = 5
NO_NODES = "no nodes available to schedule pods"


class Chance(Protocol):
    def randrange(self, stop: int, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Placed:
    """The node chosen, and how many were looked at and would have done."""

    node_name: str
    evaluated: int
    feasible: int


@dataclass(frozen=True, slots=True)
class Unschedulable:
    """Why no node does: the words for people and the plug-ins that refused."""

    message: str
    plugins: frozenset[str]


def candidates_wanted(nodes: int, percentage: int = 0) -> int:
    """How many feasible nodes end the search."""
    if nodes < CANDIDATES_MIN:
        return nodes
    if percentage == 0:
        percentage = max(50 - nodes // 125, PERCENTAGE_MIN)
    return max(CANDIDATES_MIN, nodes * min(percentage, 100) // 100)


def schedule(
    pod: PodInfo, nodes: Sequence[NodeInfo], profile: Profile, start: int, chance: Chance
) -> Placed | Unschedulable:
    """The best node for the pod. The search starts at index `start` and wraps around."""
    if not nodes:
        return Unschedulable(NO_NODES, frozenset())
    wanted = candidates_wanted(len(nodes), profile.percentage_of_nodes)
    checks = [
        check for plugin in profile.filters if (check := plugin.prepare_filter(pod)) is not None
    ]
    feasible, refusals = _filter(nodes, checks, start % len(nodes), wanted)
    if not feasible:
        return diagnose(refusals, len(nodes))
    evaluated = len(feasible) + len(refusals)
    if len(feasible) == 1:
        return Placed(feasible[0].name, evaluated, 1)
    chosen = feasible[_best(_scores(pod, feasible, profile), chance)]
    return Placed(chosen.name, evaluated, len(feasible))


def diagnose(refusals: Sequence[Status], nodes: int) -> Unschedulable:
    """`0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.`"""
    counts = Counter(reason for status in refusals for reason in status.reasons)
    words = ", ".join(sorted(f"{count} {reason}" for reason, count in counts.items()))
    return Unschedulable(
        f"0/{nodes} nodes are available: {words}.",
        frozenset(status.plugin for status in refusals),
    )


def _filter(
    nodes: Sequence[NodeInfo], checks: list[Filter], start: int, wanted: int
) -> tuple[list[NodeInfo], list[Status]]:
    feasible: list[NodeInfo] = []
    refusals: list[Status] = []
    for part in (nodes[start:], nodes[:start]):
        for node in part:
            for check in checks:
                refusal = check(node)
                if refusal is not None:
                    refusals.append(refusal)
                    break
            else:
                feasible.append(node)
                if len(feasible) >= wanted:
                    return feasible, refusals
    return feasible, refusals


def _scores(pod: PodInfo, nodes: list[NodeInfo], profile: Profile) -> list[int]:
    totals = [0] * len(nodes)
    for weighted in profile.scores:
        score: Score | None = weighted.plugin.prepare_score(pod)
        if score is None:
            continue
        values = weighted.plugin.normalize([score(node) for node in nodes])
        weight = weighted.weight
        totals = [total + weight * value for total, value in zip(totals, values, strict=True)]
    return totals


def _best(totals: list[int], chance: Chance) -> int:
    """The index of the highest total; any one of them by chance when several are equal."""
    most = max(totals)
    if totals.count(most) == 1:
        return totals.index(most)
    best = [index for index, total in enumerate(totals) if total == most]
    return best[chance.randrange(len(best))]
