"""A PodDisruptionBudget's status: who is healthy, how many must be, how many may go. Pure.

An eviction takes one from `disruptionsAllowed` and notes its pod; here the pod counts as gone from
that note on, until it really goes or the note is too old.

Source of the rules: upstream's pkg/controller/disruption.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller_manager import pods
from controller_manager.deployment.sizing import scaled
from controller_manager.gotext import go_text
from controller_manager.ownership import controller_of
from wherry.api.core_v1 import Pod
from wherry.api.meta_v1 import Condition, OwnerReference
from wherry.api.policy_v1 import PodDisruptionBudget
from wherry.api.policy_v1.poddisruptionbudget import PodDisruptionBudgetStatus
from wherry.api.resource import gvk
from wherry.api.scheme import BY_KIND

NOTE_SECONDS_MAX = 120.0  # after which an eviction that came to nothing is forgotten

ALLOWED = "DisruptionAllowed"
SUFFICIENT, INSUFFICIENT = "SufficientPods", "InsufficientPods"
SYNC_FAILED = "SyncFailed"


@dataclass(frozen=True, slots=True)
class Observed:
    """pods: those the budget selects. scales: by uid of a controller, how many pods it wants.

    A controller that is not known has none."""

    budget: PodDisruptionBudget
    pods: tuple[Pod, ...]
    scales: dict[str, int]


class Unknowable(ValueError):
    """The budget is a share of something that nobody knows."""


def plan_status(
    observed: Observed, now: datetime
) -> tuple[PodDisruptionBudgetStatus, float | None]:
    """The status to write (maybe equal to the present one) and when to look again.

    Unknowable when the budget needs the scale of a controller that there is none of.
    """
    budget = observed.budget
    expected, desired = _counts(observed)
    notes, wait = _notes(budget, observed.pods, now)
    healthy = sum(
        pods.is_ready(pod) and not pods.is_terminating(pod) and pod.metadata.name not in notes
        for pod in observed.pods
        if not pods.is_terminal(pod)
    )
    allowed = max(0, healthy - desired) if expected > 0 else 0
    status = budget.status.with_(
        observed_generation=budget.metadata.generation,
        current_healthy=healthy,
        desired_healthy=desired,
        expected_pods=expected,
        disruptions_allowed=allowed,
        disrupted_pods=notes,
    )
    reason = SUFFICIENT if allowed > 0 else INSUFFICIENT
    return _with_condition(budget, status, allowed > 0, reason, "", now), wait


def failed_status(
    budget: PodDisruptionBudget, message: str, now: datetime
) -> PodDisruptionBudgetStatus:
    """Nothing may be evicted as long as nobody knows how many there should be."""
    status = budget.status.with_(
        observed_generation=budget.metadata.generation, disruptions_allowed=0
    )
    return _with_condition(budget, status, False, SYNC_FAILED, message, now)


def _counts(observed: Observed) -> tuple[int, int]:
    """(expected, desired healthy) pods; those that ended count too, as with upstream."""
    spec = observed.budget.spec
    if spec.max_unavailable is not None:
        expected = _expected(observed)
        return expected, max(0, expected - scaled(spec.max_unavailable, expected, round_up=True))
    if isinstance(spec.min_available, str):
        expected = _expected(observed)
        return expected, scaled(spec.min_available, expected, round_up=True)
    return len(observed.pods), spec.min_available or 0


def _expected(observed: Observed) -> int:
    """What the controllers of the pods want in all."""
    uids: dict[str, None] = {}
    for pod in observed.pods:
        owner = controller_of(pod.metadata)
        if owner is None:
            continue  # pods on their own don't count
        if owner.uid not in observed.scales:
            raise Unknowable(_why_no_scale(owner, pod))
        uids[owner.uid] = None
    return sum(observed.scales[uid] for uid in uids)


def _why_no_scale(owner: OwnerReference, pod: Pod) -> str:
    resource = BY_KIND.get(gvk(owner.api_version, owner.kind))
    if resource is None:
        return f'no matches for kind "{owner.kind}" in version "{owner.api_version}"'
    if resource.subresource("scale") is None:
        return f"{resource.qualified_name} does not implement the scale subresource"
    return f'found no controllers for pod "{pod.metadata.name}"'


def unmanaged(budget: PodDisruptionBudget, selected: Iterable[Pod]) -> str:
    """What to tell of pods that no controller wants, where a share of what is wanted counts."""
    spec = budget.spec
    if spec.max_unavailable is None and not isinstance(spec.min_available, str):
        return ""
    if all(controller_of(pod.metadata) is not None for pod in selected):
        return ""
    return (
        f"Pods selected by this PodDisruptionBudget (selector: {go_text(spec.selector)}) were found "
        "to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may "
        "result in undefined behavior. To account for these pods please set "
        '".spec.minAvailable" field of the PDB to an integer value.'
    )


def _notes(
    budget: PodDisruptionBudget, selected: Iterable[Pod], now: datetime
) -> tuple[dict[str, datetime], float | None]:
    """Evictions noted of pods that are still there, and when the first note is too old."""
    present = {pod.metadata.name for pod in selected if not pods.is_terminating(pod)}
    kept: dict[str, datetime] = {}
    waits: list[float] = []
    for name, moment in budget.status.disrupted_pods.items():
        left = (moment + timedelta(seconds=NOTE_SECONDS_MAX) - now).total_seconds()
        if name in present and left > 0:
            kept[name] = moment
            waits.append(left)
    return kept, min(waits, default=None)


def _with_condition(
    budget: PodDisruptionBudget,
    status: PodDisruptionBudgetStatus,
    allowed: bool,
    reason: str,
    message: str,
    now: datetime,
) -> PodDisruptionBudgetStatus:
    word = "True" if allowed else "False"
    before = next((c for c in status.conditions if c.type == ALLOWED), None)
    since = before.last_transition_time if before and before.status == word else now
    made = Condition(
        type=ALLOWED,
        status=word,
        observed_generation=budget.metadata.generation,
        last_transition_time=since,
        reason=reason,
        message=message,
    )
    others = [c for c in status.conditions if c.type != ALLOWED]
    return status.with_(conditions=[*others, made])
