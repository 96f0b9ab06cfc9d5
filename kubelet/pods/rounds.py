"""RestartAllContainers: one container's end begins a new round of all, init containers included. Pure.

Each container carries the number of the round it was made in. An end that a rule answers with
RestartAllContainers makes the next round the wanted one: what still runs of older rounds is killed, and
then everything is started as in a new pod, in the same sandbox and with the same volumes. So nothing
but the containers' labels must be known, and two such ends in one round begin only one more.

Source: KEP-5532 (kubernetes/enhancements) and upstream's ShouldAllContainersRestart.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubelet.pods import restart
from kubelet.pods.observed import Observed
from kubelet.runtime import labels as names
from kubelet.runtime.protocol import ContainerRecord, State
from wherry.api.core_v1 import Container, Pod

KILL_MESSAGE = "all containers of the pod are restarted"


def of(record: ContainerRecord) -> int:
    """The round in which a container was made."""
    return int(record.labels.get(names.ROUND) or 0)


def could_restart_all(pod: Pod) -> bool:
    """Whether any container has such a rule."""
    return any(
        rule.action == restart.RESTART_ALL
        for container in _lasting(pod)
        for rule in container.restart_policy_rules
    )


def wanted(pod: Pod, observed: Observed) -> int:
    """The round that the pod is to be in."""
    return max(
        (
            of(record) + restart.restarts_all(container, record)
            for container in _lasting(pod)
            for record in observed.containers.get(container.name, ())
        ),
        default=0,
    )


def outdated(pod: Pod, observed: Observed) -> list[ContainerRecord]:
    """What still runs of older rounds. Ephemeral containers belong to none."""
    now = wanted(pod, observed)
    return [
        record
        for container in _lasting(pod)
        for record in observed.containers.get(container.name, ())
        if record.state is State.RUNNING and of(record) < now
    ]


def is_outdated(pod: Pod, observed: Observed, record: ContainerRecord) -> bool:
    """Whether a container is of an older round than the wanted one; ephemeral ones never are."""
    lasting = any(container.name == record.name for container in _lasting(pod))
    return lasting and of(record) < wanted(pod, observed)


def trigger(pod: Pod, observed: Observed) -> tuple[str, int] | None:
    """(container, exit code) that ended the older rounds, until the first of the new one is made."""
    now = wanted(pod, observed)
    found = None
    for container in _lasting(pod):
        for record in observed.containers.get(container.name, ()):
            if of(record) == now:
                return None
            if of(record) == now - 1 and restart.restarts_all(container, record):
                found = (container.name, restart.exit_code(record))
    return found


def _lasting(pod: Pod) -> Iterator[Container]:
    yield from pod.spec.init_containers
    yield from pod.spec.containers
