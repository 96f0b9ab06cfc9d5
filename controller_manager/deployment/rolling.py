"""How far the old ReplicaSets of a rolling update may shrink now. Pure.

First old pods that do not work anyway (nobody misses them), then working ones, as far as
maxUnavailable allows.

Source: upstream's pkg/controller/deployment/rolling.
"""

from __future__ import annotations

from collections.abc import Sequence

from controller_manager.deployment import sizing
from controller_manager.deployment.replicasets import by_age
from wherry.api.apps_v1 import Deployment, ReplicaSet


def step_old_sets(
    deployment: Deployment, new: ReplicaSet, old: Sequence[ReplicaSet]
) -> dict[str, int]:
    """New sizes, by name, of the old sets that shrink; empty when none may."""
    must_stay = sizing.desired(deployment) - sizing.max_unavailable(deployment)
    new_unavailable = sizing.size(new) - sizing.available(new)
    removable = sizing.total([*old, new]) - must_stay - new_unavailable
    if not old or removable <= 0:
        return {}
    sizes = _without_unhealthy(old, removable)
    available = sum(sizing.available(rs) for rs in [*old, new])
    spare = available - must_stay
    for rs in by_age(old):
        if spare <= 0:
            break
        name = rs.metadata.name
        taken = min(sizes[name], spare)
        sizes[name] -= taken
        spare -= taken
    return {
        rs.metadata.name: sizes[rs.metadata.name]
        for rs in old
        if sizes[rs.metadata.name] != sizing.size(rs)
    }


def _without_unhealthy(old: Sequence[ReplicaSet], at_most: int) -> dict[str, int]:
    """Sizes after dropping pods that are not available, oldest sets first."""
    sizes = {rs.metadata.name: sizing.size(rs) for rs in old}
    for rs in by_age(old):
        if at_most <= 0:
            break
        taken = min(at_most, sizing.size(rs) - sizing.available(rs))
        sizes[rs.metadata.name] -= taken
        at_most -= taken
    return sizes
