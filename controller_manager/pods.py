"""Questions about one pod that several controllers ask. Pure.

Source of the rules: upstream's pkg/api/v1/pod and pkg/controller utilities.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from wherry.api.core_v1 import Pod, PodCondition

TERMINAL_PHASES = frozenset({"Succeeded", "Failed"})


def condition(pod: Pod, type_: str) -> PodCondition | None:
    return next((c for c in pod.status.conditions if c.type == type_), None)


def is_ready(pod: Pod) -> bool:
    found = condition(pod, "Ready")
    return found is not None and found.status == "True"


def ready_since(pod: Pod) -> datetime | None:
    """When the pod became ready; None when it is not."""
    found = condition(pod, "Ready")
    if found is None or found.status != "True":
        return None
    return found.last_transition_time


def is_terminal(pod: Pod) -> bool:
    """Its containers have ended and will not be started again."""
    return pod.status.phase in TERMINAL_PHASES


def is_terminating(pod: Pod) -> bool:
    return pod.metadata.deletion_timestamp is not None


def is_active(pod: Pod) -> bool:
    """Counts as a replica: neither ended nor being deleted."""
    return not is_terminal(pod) and not is_terminating(pod)


def is_available(pod: Pod, min_ready_seconds: int, now: datetime) -> bool:
    """Ready, and for at least `min_ready_seconds`."""
    if not is_ready(pod):
        return False
    return until_available(pod, min_ready_seconds, now) == 0.0


def until_available(pod: Pod, min_ready_seconds: int, now: datetime) -> float | None:
    """Seconds until a ready pod counts as available (0.0: it does); None when it is not ready."""
    if not is_ready(pod):
        return None
    if min_ready_seconds == 0:
        return 0.0
    since = ready_since(pod)
    if since is None:
        return float(min_ready_seconds)
    return max(0.0, (since + timedelta(seconds=min_ready_seconds) - now).total_seconds())


def key(pod: Pod) -> str:
    return f"{pod.metadata.namespace}/{pod.metadata.name}"
