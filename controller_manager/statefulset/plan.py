"""What a StatefulSet needs now: the next pod, the next deletion, the status. Pure.

OrderedReady takes one step at a time, upwards when it grows and downwards when it shrinks or
updates; Parallel takes all steps that are free. A pod that ended or goes is waited for until it is
gone: only then is its ordinal free, and nobody here forces it out.

Source of the rules: upstream's pkg/controller/statefulset.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from controller_manager import pods
from controller_manager.deployment.sizing import scaled
from controller_manager.history import HASH
from controller_manager.ownership import metadata_of
from controller_manager.plan import Action, Create, Delete, Emit, Patch
from controller_manager.statefulset import claims
from controller_manager.statefulset.identity import (
    identity_labels,
    new_pod,
    ordinal_of,
    ordinals_of,
    replicas_of,
    start_of,
)
from wherry.api.apps_v1 import StatefulSet, StatefulSetStatus
from wherry.api.core_v1 import Pod, PodTemplateSpec
from wherry.api.model import IntOrString

PARALLEL, ROLLING_UPDATE = "Parallel", "RollingUpdate"


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision's name and the template it keeps."""

    name: str
    template: PodTemplateSpec


@dataclass(frozen=True, slots=True)
class Observed:
    """pods: those the set controls. current, update: the revision the set comes from and goes to.
    claims: those of the namespace, by name."""

    stateful_set: StatefulSet
    pods: tuple[Pod, ...]
    current: Revision
    update: Revision
    claims: claims.Claims = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SetPlan:
    """actions in order; wait: seconds until a pod is available at last."""

    actions: tuple[Action, ...] = ()
    wait: float | None = None


def is_up(pod: Pod | None) -> bool:
    """Running, ready and not about to go."""
    if pod is None or pods.is_terminating(pod):
        return False
    return pod.status.phase == "Running" and pods.is_ready(pod)


def revision_of(pod: Pod) -> str:
    return pod.metadata.labels.get(HASH, "")


def plan_set(observed: Observed, now: datetime) -> SetPlan:
    """The next steps of the set."""
    stateful_set = observed.stateful_set
    kept = _retentions(observed)
    if stateful_set.metadata.deletion_timestamp is not None:
        return SetPlan(tuple(kept))
    step = _Step(observed, now)
    step.actions += kept
    if not step.fill() and not step.shrink():
        step.update()
    return SetPlan(tuple(step.actions), min(step.waits, default=None))


def _retentions(observed: Observed) -> list[Action]:
    if not observed.stateful_set.spec.volume_claim_templates:
        return []
    return [
        patch
        for pod in observed.pods
        for patch in claims.retention(observed.stateful_set, pod, observed.claims)
    ]


class _Step:
    """One pass: each phase tells whether the later ones have to wait."""

    def __init__(self, observed: Observed, now: datetime) -> None:
        self.observed = observed
        self.now = now
        self.set = observed.stateful_set
        self.ordered = self.set.spec.pod_management_policy != PARALLEL
        self.actions: list[Action] = []
        self.waits: list[float] = []
        self.by_ordinal: dict[int, Pod] = {}
        for pod in observed.pods:
            ordinal = ordinal_of(self.set, pod)
            if ordinal is not None:
                self.by_ordinal[ordinal] = pod

    # -- growing

    def fill(self) -> bool:
        """Each ordinal gets its pod; in order, each when those before it are available."""
        for ordinal in ordinals_of(self.set):
            blocked = self._fill_one(ordinal)
            if blocked and self.ordered:
                return True
        return False

    def _fill_one(self, ordinal: int) -> bool:
        pod = self.by_ordinal.get(ordinal)
        if pod is None:
            if not claims.are_going(self.set, ordinal, self.observed.claims):
                self._create(ordinal)
            return True
        if pods.is_terminal(pod):
            if not pods.is_terminating(pod):
                self._delete(pod)
            return True
        if pod.status.phase == "Pending":  # perhaps because a claim was taken away
            self.actions += claims.missing(self.set, ordinal, self.observed.claims)
        wanted = identity_labels(self.set, ordinal)
        if not wanted.items() <= pod.metadata.labels.items():
            patch = {"metadata": {"uid": pod.metadata.uid, "labels": wanted}}
            where = pod.metadata
            self.actions.append(Patch(Pod, where.namespace, where.name, patch))
        return not self._is_available(pod)

    def _create(self, ordinal: int) -> None:
        revision = self._revision_for(ordinal)
        pod = new_pod(self.set, revision.template, revision.name, ordinal)
        name, set_name = pod.metadata.name, self.set.metadata.name
        for create in claims.missing(self.set, ordinal, self.observed.claims):
            claim = metadata_of(create.object).name
            self.actions.append(create)
            self._tell(f"create Claim {claim} Pod {name} in StatefulSet {set_name} success")
        self.actions.append(Create(pod))
        self._tell(f"create Pod {name} in StatefulSet {set_name} successful")

    def _revision_for(self, ordinal: int) -> Revision:
        """Below the partition the current revision stays."""
        rolls = self.set.spec.update_strategy.type == ROLLING_UPDATE
        if rolls and ordinal < _first_updated(self.set):
            return self.observed.current
        return self.observed.update

    # -- shrinking

    def shrink(self) -> bool:
        """The pods beyond the last ordinal go, the highest first."""
        wanted = ordinals_of(self.set)
        condemned = sorted((o for o in self.by_ordinal if o not in wanted), reverse=True)
        unwell = [o for o in condemned if not self._is_available(self.by_ordinal[o])]
        lowest_unwell = min(unwell, default=None)
        for ordinal in condemned:
            pod = self.by_ordinal[ordinal]
            if pods.is_terminating(pod):
                if self.ordered:
                    return True
                continue
            if self.ordered and ordinal != lowest_unwell and not self._is_available(pod):
                return True
            self._delete(pod)
            if self.ordered:
                return True
        return False

    # -- updating

    def update(self) -> None:
        """Pods of another revision go, the highest ordinal first, few enough at a time."""
        strategy = self.set.spec.update_strategy
        if strategy.type != ROLLING_UPDATE:
            return
        rolling = strategy.rolling_update
        first = _first_updated(self.set)
        if rolling is None or rolling.max_unavailable is None:
            self._update_next(first)
        else:
            self._update_some(first, rolling.max_unavailable)

    def _update_next(self, first: int) -> None:
        """One pod, when all above it are updated and available; one far below may be unwell."""
        for ordinal in reversed(ordinals_of(self.set)):
            if ordinal < first:
                return
            pod = self.by_ordinal.get(ordinal)
            if pod is not None and self._is_old(pod):
                self._delete(pod)
                return
            if pod is None or not self._is_available(pod):
                return

    def _update_some(self, first: int, max_unavailable: IntOrString) -> None:
        """Old pods that are unavailable go at once (nobody misses them), others as there is room.

        Source: upstream 1.37; 1.36 knows the field behind a gate that is off.
        """
        mine = {o: self.by_ordinal.get(o) for o in ordinals_of(self.set)}
        missing = sum(pod is None or not self._is_available(pod) for pod in mine.values())
        most = max(1, scaled(max_unavailable, replicas_of(self.set), round_up=False))
        room = most - missing
        for ordinal in sorted(mine, reverse=True):
            pod = mine[ordinal]
            if ordinal < first or pod is None or not self._is_old(pod):
                continue
            if not self._is_available(pod):
                self._delete(pod)
            elif room > 0:
                room -= 1
                self._delete(pod)

    def _is_old(self, pod: Pod) -> bool:
        return revision_of(pod) != self.observed.update.name and not pods.is_terminating(pod)

    # -- both ways

    def _is_available(self, pod: Pod) -> bool:
        """Up for long enough; when only time is missing, come back then."""
        if not is_up(pod):
            return False
        until = pods.until_available(pod, self.set.spec.min_ready_seconds, self.now) or 0.0
        if until > 0:
            self.waits.append(until)
        return until == 0

    def _delete(self, pod: Pod) -> None:
        where = pod.metadata
        self.actions.append(Delete(Pod, where.namespace, where.name, where.uid))
        self._tell(
            f"delete Pod {where.name} in StatefulSet {self.set.metadata.name} successful",
            "SuccessfulDelete",
        )

    def _tell(self, message: str, reason: str = "SuccessfulCreate") -> None:
        self.actions.append(Emit(self.set, "Normal", reason, message))


def _first_updated(stateful_set: StatefulSet) -> int:
    """The ordinal that the partition starts at."""
    rolling = stateful_set.spec.update_strategy.rolling_update
    return start_of(stateful_set) + ((rolling.partition or 0) if rolling else 0)


def plan_status(
    observed: Observed, collision_count: int | None, now: datetime
) -> StatefulSetStatus:
    """What there is; a finished update makes the new revision the current one."""
    stateful_set = observed.stateful_set
    ready = [pod for pod in observed.pods if pod.status.phase == "Running" and pods.is_ready(pod)]
    staying = [pod for pod in observed.pods if not pods.is_terminating(pod)]
    minimum = stateful_set.spec.min_ready_seconds
    status = stateful_set.status.with_(
        observed_generation=stateful_set.metadata.generation,
        replicas=len(observed.pods),
        ready_replicas=len(ready),
        available_replicas=sum(pods.is_available(pod, minimum, now) for pod in ready),
        current_replicas=sum(revision_of(pod) == observed.current.name for pod in staying),
        updated_replicas=sum(revision_of(pod) == observed.update.name for pod in staying),
        current_revision=observed.current.name,
        update_revision=observed.update.name,
        collision_count=collision_count or 0,
    )
    counts = {status.updated_replicas, status.ready_replicas, status.replicas}
    rolling = stateful_set.spec.update_strategy.type == ROLLING_UPDATE
    if rolling and counts == {replicas_of(stateful_set)}:
        return status.with_(
            current_replicas=status.updated_replicas, current_revision=status.update_revision
        )
    return status
