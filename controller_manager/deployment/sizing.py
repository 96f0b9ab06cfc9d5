"""How many pods each ReplicaSet may have during a rollout: arithmetic only.

Source: upstream's pkg/controller/deployment/util (ResolveFenceposts, NewRSNewReplicas, proportions).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

from controller_manager.deployment import marks
from wherry.api.apps_v1 import Deployment, ReplicaSet

ROLLING_UPDATE = "RollingUpdate"
RECREATE = "Recreate"


def desired(deployment: Deployment) -> int:
    return _or_one(deployment.spec.replicas)


def size(rs: ReplicaSet) -> int:
    return _or_one(rs.spec.replicas)


def _or_one(replicas: int | None) -> int:
    """What the server's default is, for an object that came without."""
    return 1 if replicas is None else replicas


def total(sets: Iterable[ReplicaSet]) -> int:
    return sum(size(rs) for rs in sets)


def available(rs: ReplicaSet) -> int:
    """Pods that are available and will stay: a status from before a shrink must not count twice."""
    return min(size(rs), rs.status.available_replicas)


def alive(rs: ReplicaSet) -> float:
    """The most pods the set may have just now; infinity when nobody can tell."""
    if rs.status.observed_generation < rs.metadata.generation:
        return math.inf
    return max(size(rs), rs.status.replicas)


def is_shrunk(rs: ReplicaSet) -> bool:
    """Has the set no pods beyond its size? Not before its controller has acted on that size."""
    return alive(rs) <= size(rs)


def is_rolling(deployment: Deployment) -> bool:
    return deployment.spec.strategy.type == ROLLING_UPDATE


def scaled(value: int | str | None, of: int, *, round_up: bool) -> int:
    """An IntOrString as a count: `25%` of `of`, or the number itself."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    digits = value.removesuffix("%")
    if not value.endswith("%") or not digits.isdigit():
        raise ValueError(f"invalid value for IntOrString: {value!r} is not a percentage")
    share = Fraction(int(digits) * of, 100)
    return math.ceil(share) if round_up else math.floor(share)


def limits(deployment: Deployment) -> tuple[int, int]:
    """(surge, unavailable) as counts; never both 0, or no rollout could move."""
    rolling = deployment.spec.strategy.rolling_update
    if rolling is None:
        return 0, 1
    surge = scaled(rolling.max_surge, desired(deployment), round_up=True)
    unavailable = scaled(rolling.max_unavailable, desired(deployment), round_up=False)
    return (0, 1) if surge == 0 and unavailable == 0 else (surge, unavailable)


def max_surge(deployment: Deployment) -> int:
    return limits(deployment)[0] if is_rolling(deployment) else 0


def max_unavailable(deployment: Deployment) -> int:
    if not is_rolling(deployment) or desired(deployment) == 0:
        return 0
    return min(limits(deployment)[1], desired(deployment))


def ceiling(deployment: Deployment) -> int:
    """The most pods the Deployment may have at any time of a rollout."""
    return desired(deployment) + max_surge(deployment)


def grown(deployment: Deployment, old: Iterable[ReplicaSet], new_size: int) -> int:
    """The size the new set, now `new_size`, may grow to beside the old ones.

    A pod of an old set takes room until it goes, not only until its set is told to shrink.
    """
    wanted = desired(deployment)
    if not is_rolling(deployment):
        return wanted
    room = ceiling(deployment) - new_size - sum(map(alive, old))
    if room <= 0:
        return new_size
    return new_size + min(int(room), wanted - new_size)


def proportions(deployment: Deployment, sets: list[ReplicaSet]) -> dict[str, int]:
    """Sizes by name when the Deployment is scaled amid a rollout: each set keeps its share.

    Growth goes to the biggest and newest first, shrinking to the biggest and oldest; what rounding
    leaves over goes to the first.
    """
    allowed = ceiling(deployment) if desired(deployment) > 0 else 0
    to_add = allowed - total(sets)
    if to_add == 0:
        return {rs.metadata.name: size(rs) for rs in sets}
    newest_first = to_add > 0
    ordered = sorted(sets, key=lambda rs: (-size(rs), _age_key(rs, newest_first)))
    sizes: dict[str, int] = {}
    added = 0
    for rs in ordered:
        share = _share(deployment, rs, to_add, added)
        sizes[rs.metadata.name] = size(rs) + share
        added += share
    first = ordered[0].metadata.name
    sizes[first] = max(0, sizes[first] + to_add - added)
    return sizes


def _age_key(rs: ReplicaSet, newest_first: bool) -> tuple[float, str]:
    created = rs.metadata.creation_timestamp
    seconds = created.timestamp() if created else 0.0
    return (-seconds if newest_first else seconds), rs.metadata.name


def _share(deployment: Deployment, rs: ReplicaSet, to_add: int, added: int) -> int:
    if size(rs) == 0 or to_add == added:
        return 0
    wished = _fraction(deployment, rs)
    left = to_add - added
    return min(wished, left) if to_add > 0 else max(wished, left)


def _fraction(deployment: Deployment, rs: ReplicaSet) -> int:
    """How much this set's size changes when all keep their proportion."""
    if desired(deployment) == 0:
        return -size(rs)
    before = marks.number(rs.metadata.annotations, marks.MAX_REPLICAS)
    if not before:
        before = deployment.status.replicas  # an estimate, for sets that carry no annotation
    if not before:
        return 0
    exact = Fraction(size(rs) * ceiling(deployment), before)
    return math.floor(exact + Fraction(1, 2)) - size(rs)
