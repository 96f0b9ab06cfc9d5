"""What a scheduling plug-in is: small pure classes that say where a pod may, and would rather, run.

A plug-in is asked once per pod (`prepare...`) and answers with a function of a node, or with None
when it has nothing to say about this pod, which then costs nothing per node. A refusal is a value,
never an exception. Plug-ins see one node at a time and keep no state.

Source: k8s.io/kube-scheduler/framework.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from scheduler.state import NodeInfo, PodInfo

SCORE_MAX = 100


class Code(Enum):
    """Why a node does not do.

    UNSCHEDULABLE: not as things are; other pods leaving might help.
    UNRESOLVABLE:  no pod leaving would help: the node itself would have to change.
    """

    UNSCHEDULABLE = "Unschedulable"
    UNRESOLVABLE = "UnschedulableAndUnresolvable"


@dataclass(frozen=True, slots=True)
class Status:
    """A plug-in's refusal of a node. Success is None."""

    code: Code
    plugin: str
    reasons: tuple[str, ...]


class Happening(Enum):
    """What can make a pod that did not fit fit."""

    NODE_ADDED = "NodeAdd"
    NODE_ALLOCATABLE = "NodeAllocatableChange"
    NODE_LABELS = "NodeLabelChange"
    NODE_TAINTS = "NodeTaintChange"
    POD_GONE = "AssignedPodDelete"
    POD_SHRANK = "AssignedPodUpdate"
    VOLUMES = "VolumeChange"  # a claim, a volume or a class


Filter = Callable[[NodeInfo], Status | None]
Score = Callable[[NodeInfo], int]


class FilterPlugin(Protocol):
    """Says on which nodes a pod can't run."""

    @property
    def name(self) -> str: ...

    @property
    def helped_by(self) -> frozenset[Happening]:
        """What may turn this plug-in's refusal into consent."""
        ...

    def prepare_filter(self, pod: PodInfo) -> Filter | None: ...


class ScorePlugin(Protocol):
    """Says how good a node is for a pod."""

    @property
    def name(self) -> str: ...

    def prepare_score(self, pod: PodInfo) -> Score | None: ...

    def normalize(self, scores: list[int]) -> list[int]:
        """Bring the raw scores of all candidates into 0..SCORE_MAX."""
        ...


@dataclass(frozen=True)
class Weighted:
    """A score plug-in and how much its word counts."""

    plugin: ScorePlugin
    weight: int


@dataclass(frozen=True)
class Profile:
    """The plug-ins that one scheduler name stands for, in order."""

    scheduler_name: str
    filters: tuple[FilterPlugin, ...]
    scores: tuple[Weighted, ...]
    percentage_of_nodes: int = 0  # 0 = adaptive

    @property
    def helped_by(self) -> dict[str, frozenset[Happening]]:
        return {plugin.name: plugin.helped_by for plugin in self.filters}


def normalize_by_most(scores: list[int], *, reverse: bool = False) -> list[int]:
    """Scale so that the highest becomes SCORE_MAX; `reverse` when little is good."""
    most = max(scores, default=0)
    if most == 0:
        return [SCORE_MAX] * len(scores) if reverse else scores
    scaled = [score * SCORE_MAX // most for score in scores]
    return [SCORE_MAX - score for score in scaled] if reverse else scaled
