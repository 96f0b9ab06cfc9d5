"""NodeResourcesFit: a pod goes where its requests fit, rather where most is left (LeastAllocated)."""

from __future__ import annotations

from scheduler.framework import SCORE_MAX, Code, Filter, Happening, Score, Status
from scheduler.resources import Amount
from scheduler.state import NodeInfo, PodInfo

NAME = "NodeResourcesFit"
TOO_MANY_PODS = "Too many pods"


def shortages(asked: Amount, node: NodeInfo) -> tuple[Code, list[str]] | None:
    """What the node lacks for these requests, in upstream's words; None when nothing."""
    reasons: list[str] = []
    code = Code.UNSCHEDULABLE
    if len(node.pods) + 1 > node.allowed_pods:
        reasons.append(TOO_MANY_PODS)
    total, used = node.allocatable, node.requested
    rows = [
        ("cpu", asked.milli_cpu, total.milli_cpu, used.milli_cpu),
        ("memory", asked.memory, total.memory, used.memory),
        ("ephemeral-storage", asked.storage, total.storage, used.storage),
    ]
    for name, value in asked.other.items():
        rows.append((name, value, total.other.get(name, 0), used.other.get(name, 0)))
    for name, wanted, capacity, taken in rows:
        if wanted > 0 and wanted > capacity - taken:
            reasons.append(f"Insufficient {name}")
            if wanted > capacity:
                code = Code.UNRESOLVABLE
    return (code, reasons) if reasons else None


class NodeResourcesFit:
    name = NAME
    helped_by = frozenset(
        {
            Happening.NODE_ADDED,
            Happening.NODE_ALLOCATABLE,
            Happening.POD_GONE,
            Happening.POD_SHRANK,
        }
    )

    def prepare_filter(self, pod: PodInfo) -> Filter | None:
        asked = pod.requests.amount
        cpu, memory, storage, other = asked.milli_cpu, asked.memory, asked.storage, asked.other

        def check(node: NodeInfo) -> Status | None:
            total, used = node.allocatable, node.requested
            # The usual answer first: nearly every call ends in this condition.
            if (
                len(node.pods) < node.allowed_pods
                and (not cpu or cpu <= total.milli_cpu - used.milli_cpu)
                and (not memory or memory <= total.memory - used.memory)
                and (not storage or storage <= total.storage - used.storage)
                and not other
            ):
                return None
            found = shortages(asked, node)
            return None if found is None else Status(found[0], NAME, tuple(found[1]))

        return check

    def prepare_score(self, pod: PodInfo) -> Score | None:
        cpu, memory = pod.requests.scored_milli_cpu, pod.requests.scored_memory

        def least_allocated(node: NodeInfo) -> int:
            """The mean of what would be left of CPU and memory, in percent."""
            total = node.allocatable
            score = parts = 0
            if total.milli_cpu:
                parts += 1
                left = total.milli_cpu - node.scored_milli_cpu - cpu
                if left > 0:
                    score += left * SCORE_MAX // total.milli_cpu
            if total.memory:
                parts += 1
                left = total.memory - node.scored_memory - memory
                if left > 0:
                    score += left * SCORE_MAX // total.memory
            return score // parts if parts else 0

        return least_allocated

    def normalize(self, scores: list[int]) -> list[int]:
        return scores
