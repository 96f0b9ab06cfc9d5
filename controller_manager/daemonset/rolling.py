"""The next step of a DaemonSet's rolling update: old pods to delete, nodes that get a new one. Pure.

Without surge, as many old pods go as may be unavailable, and the controller's ordinary work fills
the nodes. With surge, new pods start beside the old ones, which go when the new are available.

Source of the rules: upstream's pkg/controller/daemon/update.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from controller_manager import pods
from controller_manager.daemonset.plan import (
    ROLLING_UPDATE,
    DaemonsPlan,
    Draft,
    Observed,
    finished,
    max_surge_of,
    may_surge,
)
from controller_manager.deployment.sizing import scaled
from wherry.api.core_v1 import Pod


def plan_rolling(observed: Observed, now: datetime) -> DaemonsPlan:
    """Nothing unless the strategy is RollingUpdate and a pod is old."""
    if observed.daemon_set.spec.update_strategy.type != ROLLING_UPDATE:
        return DaemonsPlan()
    draft = Draft()
    if may_surge(observed.daemon_set):
        _surge(observed, draft, now)
    else:
        _replace(observed, draft, now)
    return finished(observed, draft)


def _limits(observed: Observed) -> tuple[int, int]:
    """(surge, unavailable) as counts; never both 0, or no update could move."""
    desired = sum(fitting.runs for fitting in observed.fits.values())
    rolling = observed.daemon_set.spec.update_strategy.rolling_update
    surge = scaled(max_surge_of(observed.daemon_set), desired, round_up=True)
    unavailable = scaled(rolling.max_unavailable if rolling else 1, desired, round_up=True)
    return surge, 1 if surge == 0 and unavailable == 0 else unavailable


def _pairs(observed: Observed) -> Iterator[tuple[str, Pod | None, Pod | None, bool]]:
    """(node, its new pod, its old pod, whether there is at most one of each)."""
    for name, fitting in observed.fits.items():
        here = [pod for pod in observed.by_node.get(name, ()) if not pods.is_terminating(pod)]
        if not fitting.runs and not here:
            continue
        new = [pod for pod in here if observed.is_updated(pod)]
        old = [pod for pod in here if not observed.is_updated(pod)]
        single = len(new) <= 1 and len(old) <= 1
        yield name, next(iter(new), None), next(iter(old), None), single


def _replace(observed: Observed, draft: Draft, now: datetime) -> None:
    """Old pods that are not available go at once, others while few enough are unavailable."""
    unavailable = 0
    candidates: list[Pod] = []
    for _, new, old, single in _pairs(observed):
        if old is not None and new is None and single:
            if observed.is_available(old, now):
                candidates.append(old)
            else:
                draft.delete.append(old)
                unavailable += 1
        elif new is None or old is not None or not single or not observed.is_available(new, now):
            unavailable += 1
    room = max(0, _limits(observed)[1] - unavailable)
    draft.delete += candidates[:room]


def _surge(observed: Observed, draft: Draft, now: datetime) -> None:
    """New pods beside old ones, as many as may be too much."""
    surging = available = 0
    candidates: list[str] = []
    leaving: list[Pod] = []
    for name, new, old, single in _pairs(observed):
        if not single:
            surging += 1
            continue
        oldest = old or new
        available += oldest is not None and observed.is_available(oldest, now)
        if old is None:
            continue
        if new is not None:
            if observed.is_available(new, now):
                draft.delete.append(old)
            else:
                surging += 1
        elif not observed.fits[name].runs:
            (leaving if observed.is_available(old, now) else draft.delete).append(old)
        elif observed.is_available(old, now):
            candidates.append(name)
        else:
            draft.nodes.append(name)
    desired = sum(fitting.runs for fitting in observed.fits.values())
    draft.delete += leaving[: max(0, available - desired)]
    draft.nodes += candidates[: max(0, _limits(observed)[0] - surging)]
