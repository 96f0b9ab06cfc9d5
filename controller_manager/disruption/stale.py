"""Pods that were to be taken away and were not: the announcement is withdrawn. Pure.

Whoever evicts marks the pod first, then deletes it. When it dies in between, the mark says for ever
that the pod is about to go, and a Job's failure policy would believe it.

Source of the rule: upstream's pkg/controller/disruption (stale pod disruption).
"""

from __future__ import annotations

from datetime import datetime

from controller_manager import pods
from controller_manager.plan import NOTHING, Patch, Plan
from wherry.api.core_v1 import Pod
from wherry.api.model import format_time

STALE_SECONDS = 120.0
TARGET = "DisruptionTarget"


def is_announced(pod: Pod) -> bool:
    """Is the pod said to go, though nobody has deleted it?"""
    if pods.is_terminal(pod) or pods.is_terminating(pod):
        return False
    found = pods.condition(pod, TARGET)
    return found is not None and found.status == "True"


def plan_stale(pod: Pod | None, now: datetime) -> Plan:
    """Withdraw the announcement when it is old; else come back when it will be."""
    if pod is None or not is_announced(pod):
        return NOTHING
    since = pods.condition(pod, TARGET)
    age = STALE_SECONDS
    if since is not None and since.last_transition_time is not None:
        age = (now - since.last_transition_time).total_seconds()
    if age < STALE_SECONDS:
        return Plan(requeue_after=STALE_SECONDS - age)
    condition = {"type": TARGET, "status": "False", "lastTransitionTime": format_time(now)}
    metadata = pod.metadata
    patch = {"metadata": {"uid": metadata.uid}, "status": {"conditions": [condition]}}
    return Plan((Patch(Pod, metadata.namespace, metadata.name, patch, subresource="status"),))
