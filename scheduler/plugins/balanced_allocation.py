"""NodeResourcesBalancedAllocation: rather a node whose CPU and memory would be used alike."""

from __future__ import annotations

from scheduler.framework import SCORE_MAX, Score
from scheduler.state import NodeInfo, PodInfo


class NodeResourcesBalancedAllocation:
    name = "NodeResourcesBalancedAllocation"

    def prepare_score(self, pod: PodInfo) -> Score | None:
        cpu, memory = pod.requests.amount.milli_cpu, pod.requests.amount.memory
        if not cpu and not memory:
            return None  # a best-effort pod changes no balance

        def balance(node: NodeInfo) -> int:
            total, used = node.allocatable, node.requested
            if not total.milli_cpu or not total.memory:
                return SCORE_MAX
            share_cpu = min(1.0, (used.milli_cpu + cpu) / total.milli_cpu)
            share_memory = min(1.0, (used.memory + memory) / total.memory)
            # The standard deviation of two values is half their distance.
            return int((1 - abs(share_cpu - share_memory) / 2) * SCORE_MAX)

        return balance

    def normalize(self, scores: list[int]) -> list[int]:
        return scores
