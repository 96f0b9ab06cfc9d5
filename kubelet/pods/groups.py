"""Control groups that no pod has any more: left when this process died, or the kernel was slow. Blocking.

Several nodes of a lab share one tree of groups: only what is old and empty goes, and nobody's pod has
an old, empty group. What keeps one busy for ever are containers that a killed engine had begun to make;
they have no owner any more and are ended.

Source: upstream's cleanupOrphanedPodCgroups (pkg/kubelet/kubelet_pods.go).
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from kubelet import cgroup_fs
from kubelet.pods import cgroups
from kubelet.pods.cgroups import NodeFacts

log = logging.getLogger(__name__)

AGE_SECONDS_MIN = 60.0


def sweep(node: NodeFacts, known: Collection[str], now: float) -> list[str]:
    """Remove pods' groups but those of `known` uids; the uids of which nothing is left. now: epoch"""
    uids = {
        cgroups.uid_of(name)
        for level in ("", "burstable", "besteffort")
        for name in cgroup_fs.stale(cgroups.all_pods(node, level), now - AGE_SECONDS_MIN)
    }
    gone = [uid for uid in sorted(uids - {""} - set(known)) if _remove(uid, node)]
    if gone:
        log.info("control groups of %d pods that have gone are removed", len(gone))
    return gone


def _remove(uid: str, node: NodeFacts) -> bool:
    left = [group for group in cgroups.possible(uid, node) if not cgroup_fs.remove(group)]
    for group in left:  # what is killed is gone when the next round comes
        killed = cgroup_fs.kill_unborn(group, AGE_SECONDS_MIN)
        if killed:
            log.warning("killed %d half-made containers in control group %s", killed, group)
    return not left
