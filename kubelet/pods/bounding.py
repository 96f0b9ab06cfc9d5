"""Sizes control groups: each pod's own, and those that hold all pods.

A kernel that refuses a figure (less memory than is in use) is met again at the next occasion; the
containers' own limits hold meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from kubelet import cgroup_fs
from kubelet.pods import cgroups
from kubelet.pods.cgroups import Bounds, NodeFacts
from wherry.api.core_v1 import Pod

log = logging.getLogger(__name__)


class Bounding:
    """This node's. Remembers what it wrote, and writes only what differs."""

    def __init__(self, node: NodeFacts, all_pods: Bounds) -> None:
        self._node = node
        self._all_pods = all_pods
        self._unified = cgroup_fs.is_unified()
        self._applied: dict[str, Bounds] = {}

    def widen(self, pod: Pod) -> None:
        """Before containers grow: make room for what the pod has and for what it is to have."""
        wanted = cgroups.bounds(pod)
        before = self._applied.get(pod.metadata.uid)
        self._write(pod.metadata.uid, cgroups.parent(pod, self._node),
                    wanted if before is None else wanted.or_wider(before))  # fmt: skip

    def settle(self, pod: Pod) -> None:
        """The pod's group as its containers now are; call when the group is there."""
        self._write(pod.metadata.uid, cgroups.parent(pod, self._node), cgroups.bounds(pod))

    def forget(self, uid: str) -> None:
        """The pod's group has gone."""
        self._applied.pop(uid, None)

    def levels(self, pods: Iterable[Pod]) -> None:
        """The groups of all pods and of each QoS class, for the pods there are."""
        self._write("", cgroups.all_pods(self._node), self._all_pods)
        for level, shares in cgroups.level_shares(pods).items():
            self._write(level, cgroups.all_pods(self._node, level), Bounds(shares))

    def _write(self, key: str, group: str, wanted: Bounds) -> None:
        if self._applied.get(key) == wanted or not cgroup_fs.folders(group):
            return
        troubles = cgroup_fs.write(group, cgroups.files(wanted, unified=self._unified))
        if troubles:
            log.warning("cgroup %s: %s", group, "; ".join(troubles))
        else:
            self._applied[key] = wanted
