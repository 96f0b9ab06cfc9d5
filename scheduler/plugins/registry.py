"""Which plug-ins there are, and the profile they make by default, with upstream's order and weights."""

from __future__ import annotations

from scheduler.framework import Profile, Weighted
from scheduler.plugins.balanced_allocation import NodeResourcesBalancedAllocation
from scheduler.plugins.fit import NodeResourcesFit
from scheduler.plugins.node_affinity import NodeAffinity
from scheduler.plugins.node_name import NodeName
from scheduler.plugins.node_ports import NodePorts
from scheduler.plugins.node_unschedulable import NodeUnschedulable
from scheduler.plugins.taint_toleration import TaintToleration
from scheduler.plugins.volume_binding import VolumeBinding
from scheduler.volumes import Volumes

DEFAULT_SCHEDULER_NAME = "default-scheduler"


def default_profile(volumes: Volumes | None = None) -> Profile:
    """The profile of pods that name no other scheduler. `volumes`: what there is for claims."""
    taints, affinity, fit = TaintToleration(), NodeAffinity(), NodeResourcesFit()
    return Profile(
        scheduler_name=DEFAULT_SCHEDULER_NAME,
        filters=(
            NodeUnschedulable(),
            NodeName(),
            taints,
            affinity,
            NodePorts(),
            fit,
            VolumeBinding(volumes or Volumes()),
        ),
        scores=(
            Weighted(taints, 3),
            Weighted(affinity, 2),
            Weighted(fit, 1),
            Weighted(NodeResourcesBalancedAllocation(), 1),
        ),
    )
