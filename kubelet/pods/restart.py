"""Whether and when a container that ended runs again. Pure.

The back-off is remembered by the container itself: its label says how long to wait before the next
attempt, so a restarted kubelet goes on where it was. A container that lasted starts afresh.

Source: upstream's kubecontainer.ShouldContainerBeRestarted, and the crash-loop back-off of
kuberuntime (at once, then 10 s doubling to 5 min, forgotten after 10 min).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from kubelet.runtime import labels as names
from kubelet.runtime.protocol import ContainerRecord
from wherry.api.core_v1 import Container, Pod

DELAY_SECONDS_FIRST = 10
DELAY_SECONDS_MAX = 300
FORGET_SECONDS = 600
# A moment of the past that lies further ahead than this was told by another time.
CLOCK_STEP = timedelta(seconds=5)
START_ERROR_EXIT_CODE = 128
RESTART, RESTART_ALL = "Restart", "RestartAllContainers"  # a rule's action


def exit_code(record: ContainerRecord) -> int:
    """The exit code that counts: one that could not start has failed."""
    return START_ERROR_EXIT_CODE if record.error else record.exit_code


def is_sidecar(container: Container) -> bool:
    """An init container that stays."""
    return container.restart_policy == "Always"


def rule_action(container: Container, code: int) -> str:
    """What the first rule that fits the exit code wants; empty when none does."""
    for rule in container.restart_policy_rules:
        codes = rule.exit_codes
        if codes is not None and (code in codes.values) is (codes.operator == "In"):
            return rule.action
    return ""


def restarts_all(container: Container, record: ContainerRecord) -> bool:
    """Whether this end restarts every container of the pod."""
    return record.has_ended and rule_action(container, exit_code(record)) == RESTART_ALL


def should_restart(pod: Pod, container: Container, record: ContainerRecord) -> bool:
    """Does policy want another attempt after this one ended?"""
    code = exit_code(record)
    if rule_action(container, code):
        return True
    policy = container.restart_policy or pod.spec.restart_policy or "Always"
    return policy == "Always" or (policy == "OnFailure" and code != 0)


def should_retry_init(pod: Pod, container: Container, record: ContainerRecord) -> bool:
    """Does a plain init container that failed run again?"""
    if rule_action(container, exit_code(record)):
        return True
    return (container.restart_policy or pod.spec.restart_policy) != "Never"


def ended_at(record: ContainerRecord) -> datetime:
    return record.finished_at or record.created_at


def delay_seconds(record: ContainerRecord) -> int:
    """How long to wait after this attempt's end."""
    if ended_at(record) - record.created_at >= timedelta(seconds=FORGET_SECONDS):
        return 0
    return int(record.labels.get(names.RESTART_DELAY) or 0)


def restart_at(record: ContainerRecord, now: datetime) -> datetime:
    """When the attempt after this one is due.

    An end that lies ahead: the machine's clock was set back meanwhile. To wait until it has caught
    up could take for ever; the next attempt's end will be told by the new time.
    """
    if ended_at(record) > now + CLOCK_STEP:
        return now
    return ended_at(record) + timedelta(seconds=delay_seconds(record))


def next_delay_seconds(record: ContainerRecord | None) -> int:
    """The label of the attempt after `record`: what it will wait if it ends too."""
    if record is None:
        return 0
    return min(DELAY_SECONDS_MAX, max(DELAY_SECONDS_FIRST, 2 * delay_seconds(record)))
