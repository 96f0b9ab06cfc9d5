"""Which pods of a silent node are dead for certain, because the node fences itself? Pure.

A kubelet with `--self-fencing-after=T` says so on its Lease, and promises: when the Lease was not
renewed for T by its clock, it stops the pods of StatefulSets, each within its grace period. It counts from
before it asked for the renewal, we from after we saw it; so once T, the grace period and a margin
have passed for us, the pod is dead, and its name may be given to another one.
"""

from __future__ import annotations

from collections.abc import Iterable

from controller_manager import pods
from controller_manager.ownership import controller_of
from wherry.api import fencing
from wherry.api.coordination_v1 import Lease
from wherry.api.core_v1 import Pod

MARGIN_SECONDS = 5.0
GRACE_SECONDS = 30  # of a pod that says nothing
MESSAGE = "NodeLifecycle: the node fenced itself: its pod has been stopped"


def promise(lease: Lease | None) -> float | None:
    """After how many seconds without renewal the node stops such pods; None = it promised nothing."""
    return fencing.promise(lease.metadata.annotations) if lease is not None else None


def concerns(pod: Pod) -> bool:
    """Whether the promise is about this pod and somebody waits for its end."""
    owner = controller_of(pod.metadata)
    return owner is not None and owner.kind == fencing.OWNER_KIND and pods.is_terminating(pod)


def dead_from(pod: Pod, after: float, lease_at: float) -> float:
    """From when on (our monotonic clock, in seconds) the pod is dead, if no renewal is seen before.

    after:    what the node promised
    lease_at: when we last saw its Lease renewed
    """
    own, asked = (
        pod.spec.termination_grace_period_seconds,
        pod.metadata.deletion_grace_period_seconds,
    )
    grace = max(GRACE_SECONDS if own is None else own, asked or 0)
    return lease_at + after + grace + MARGIN_SECONDS


def dead(on_node: Iterable[Pod], after: float, lease_at: float, now: float) -> list[Pod]:
    return [pod for pod in on_node if concerns(pod) and now >= dead_from(pod, after, lease_at)]
